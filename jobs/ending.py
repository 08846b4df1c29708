"""How an attempt ended: what the child writes down before it leaves, and what its exit says when it could not."""

from __future__ import annotations

import json
import os
import signal
import threading
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from jobs.stopping import LEAVE_SIGNALS
from recipes.errors import FailureKind

ENDING_FILE = "ending.json"


class End(StrEnum):
    """The four ways out of an attempt."""

    SUCCEEDED = "succeeded"
    STOPPED = "stopped"  # asked to leave; a checkpoint is on disk
    FAILED = "failed"  # the child said why
    DIED = "died"  # the child said nothing: a signal, or a crash of the interpreter


EXIT_CODES = {End.SUCCEEDED: 0, End.FAILED: 1, End.STOPPED: 75}  # 75: EX_TEMPFAIL of sysexits.h, try again later
NO_ROOM_CODE = 74  # EX_IOERR: the disk was too full even for the ending


@dataclass(frozen=True)
class Ending:
    """How an attempt ended; `kind` is a FailureKind's value where it failed or died."""

    end: End
    outcome: str | None = None  # of core.events.Outcome, where it succeeded
    kind: str | None = None
    message: str | None = None
    hint: str | None = None


def write_ending(run_dir: Path, token: str, ending: Ending) -> None:
    """Leave `ending` for whoever supervises the run directory; complete or absent, never half."""
    temporary = run_dir / f".{ENDING_FILE}.{os.getpid()}.{threading.get_ident()}"
    with temporary.open("w", encoding="utf-8") as file:
        json.dump({"token": token, **asdict(ending)}, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(run_dir / ENDING_FILE)


def read_ending(run_dir: Path, token: str) -> Ending | None:
    """What the attempt of `token` left; None when it left nothing readable."""
    try:
        found = json.loads((run_dir / ENDING_FILE).read_text(encoding="utf-8"))
        if found.pop("token") != token:
            return None
        return Ending(**(found | {"end": End(found["end"])}))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def of_exit(code: int | None, *, killed_for_memory: bool = False, stalled: str | None = None) -> Ending:
    """The ending of a child that said nothing: `code` as of subprocess (negative: a signal), None when unknown."""
    if stalled is not None:
        return Ending(
            End.FAILED,
            kind=FailureKind.STALLED,
            message=f"no progress for {stalled}",
            hint="the stacks of its threads are in training.log; --set run.stall_timeout=0 turns the watch off",
        )
    if killed_for_memory:
        return Ending(
            End.DIED,
            kind=FailureKind.OUT_OF_MEMORY,
            message="killed by the system for want of memory (SIGKILL)",
            hint="use a smaller --batch-size, or fewer loader processes with --set data.workers=N",
        )
    if code == NO_ROOM_CODE:
        return Ending(End.FAILED, kind=FailureKind.DISK_FULL, message="no room left on the disk of its run directory")
    if code is not None and -code in LEAVE_SIGNALS:  # it came before the child listened
        return Ending(End.STOPPED, message=f"left on {_signal_name(-code)}")
    if code is not None and code < 0:
        return Ending(End.DIED, kind=FailureKind.KILLED, message=f"killed by {_signal_name(-code)}")
    if code is None:
        return Ending(End.DIED, kind=FailureKind.KILLED, message="its process disappeared")
    hint = "the end of training.log says more"
    return Ending(End.DIED, kind=FailureKind.ERROR, message=f"left with exit code {code} and no word", hint=hint)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
