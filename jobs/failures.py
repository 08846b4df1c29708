"""From an exception of the training process to a kind, a message and a hint for the job's record."""

from __future__ import annotations

import errno

from jobs.ending import End, Ending
from recipes.errors import ClfError, FailureKind, JobError

SMALLER = "use a smaller --batch-size or --image-size, or --set run.accumulation=2"
LOG = "the traceback is in training.log: clf logs ID"


def of_error(error: BaseException) -> Ending:
    """How a run that raised `error` failed."""
    if isinstance(error, JobError):
        return _failed(error.kind, error.message, error.hint)
    if isinstance(error, ClfError):
        return _failed(FailureKind.CONFIGURATION, error.message, error.hint)
    text = str(error).strip().partition("\n")[0]
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or "out of memory" in text.lower():
        return _failed(FailureKind.OUT_OF_MEMORY, text or "out of memory", SMALLER)
    if "is killed by signal: Killed" in text:
        return _failed(
            FailureKind.OUT_OF_MEMORY,
            "a loader process was killed, most likely by the system for want of memory",
            "use fewer loader processes: --set data.workers=N",
        )
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _failed(FailureKind.DISK_FULL, f"no room left: {error}", "make room, then clf retry ID")
    if type(error).__name__ == "AcceleratorError" or "CUDA error" in text or "device lost" in text.lower():
        return _failed(FailureKind.DEVICE_LOST, text, LOG)
    return _failed(FailureKind.ERROR, f"{type(error).__name__}: {text}" if text else type(error).__name__, LOG)


def _failed(kind: FailureKind, message: str, hint: str) -> Ending:
    return Ending(End.FAILED, kind=kind, message=message, hint=hint)
