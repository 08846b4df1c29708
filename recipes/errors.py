"""The exception tree every room raises from, and the kinds of failure a job's record can carry.

ClfError                    exit 1   something the person can mend; message says what and where, hint what to do
├── UsageError              exit 2   the command line asks for something that cannot be (range, contradiction)
├── NotFoundError           exit 3   no such job
├── RecipeError             exit 1   unknown recipe, unknown key, a value the schema refuses
├── HomeError               exit 1   $CLF_HOME cannot be used (not writable, disk full)
├── DatabaseError           exit 1   locked, damaged, or written by a newer clf
├── QueueError              exit 1   the verb does not fit the job's state; a device already has its worker
└── JobError                exit 1   ends an attempt; carries a FailureKind
    ├── DataError                    missing folder, unreadable images, one class only
    ├── ConfigurationError           unknown model, weights that do not fit, a device that is not there
    ├── OutOfMemoryError             the device has no memory left at micro-batch 1
    ├── NonFiniteError               loss or gradient stayed NaN or infinite
    └── DiskFullError                no room for a checkpoint

What torch and the system raise by themselves (a lost accelerator, no memory, no room) becomes a kind of failure in
jobs.failures.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from enum import StrEnum


class FailureKind(StrEnum):
    """Why an attempt failed, as kept in the job's record."""

    OUT_OF_MEMORY = "out_of_memory"
    DATA = "data"
    CONFIGURATION = "configuration"
    NON_FINITE = "non_finite"
    KILLED = "killed"
    DEVICE_LOST = "device_lost"
    DISK_FULL = "disk_full"
    STALLED = "stalled"
    ERROR = "error"


class ClfError(Exception):
    """An error with a message for the person (what is wrong, where) and a hint (what to do next)."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(ClfError):
    """The command line asks for something that cannot be."""

    exit_code = 2


class RefusedValueError(ValueError):
    """What a section or a recipe refuses of itself: pydantic carries it, and RecipeError takes its words and hint."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class NotFoundError(ClfError):
    """No such job."""

    exit_code = 3


class RecipeError(ClfError):
    """A recipe that does not exist or that the schema refuses."""


class HomeError(ClfError):
    """$CLF_HOME cannot be used."""


class DatabaseError(ClfError):
    """The database is locked, damaged or newer than this program."""


class QueueError(ClfError):
    """What was asked does not fit the state of the queue."""


class JobError(ClfError):
    """Ends an attempt; `kind` goes into the job's record."""

    kind = FailureKind.ERROR


class DataError(JobError):
    """The data cannot be trained on."""

    kind = FailureKind.DATA


class ConfigurationError(JobError):
    """The recipe is well formed but cannot be carried out here."""

    kind = FailureKind.CONFIGURATION


class OutOfMemoryError(JobError):
    """The device's memory does not hold one micro-batch of 1."""

    kind = FailureKind.OUT_OF_MEMORY


class NonFiniteError(JobError):
    """Loss or gradients stayed NaN or infinite after every return to a good checkpoint."""

    kind = FailureKind.NON_FINITE


class DiskFullError(JobError):
    """A file of the run could not be written for want of room."""

    kind = FailureKind.DISK_FULL


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The one of `known` that `name` was probably meant to be, or None when nothing is near."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return near[0] if near else None


def closest(name: str, known: Iterable[str]) -> str:
    """``did you mean 'two_stage'?`` for the nearest of `known`, or an empty string when nothing is near."""
    near = nearest(name, known)
    return f"did you mean '{near}'?" if near else ""
