"""How numbers, times and states are written: the same in lists, details and the live line."""

from __future__ import annotations

import time
from datetime import datetime

from db.records import JobRecord

SIGNS = {
    "queued": ("·", "white"),
    "running": ("▶", "cyan"),
    "paused": ("‖", "yellow"),
    "succeeded": ("✓", "green"),
    "failed": ("✗", "red"),
    "cancelled": ("-", "bright_black"),
}


def duration(seconds: float | None) -> str:
    """``45s``, ``12m 05s``, ``3h 07m``, ``2d 04h``; ``-`` for None."""
    if seconds is None:
        return "-"
    whole = max(0, round(seconds))
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if whole < 60:
        return f"{whole}s"
    if minutes < 60:
        return f"{minutes}m {whole % 60:02d}s"
    if hours < 48:
        return f"{hours}h {minutes % 60:02d}m"
    return f"{days}d {hours % 24:02d}h"


def size(count: float | None) -> str:
    """Bytes as ``812 MB`` or ``3.4 GB`` (powers of 1000); ``-`` for None."""
    if count is None:
        return "-"
    for unit, scale in (("TB", 1e12), ("GB", 1e9)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count / 1e6:.0f} MB"


def percent(share: float | None) -> str:
    """``91.3%``; ``-`` for None."""
    return "-" if share is None else f"{share:.1%}"


def clock(moment: float | None) -> str:
    """Local date and time of a Unix time."""
    return "-" if moment is None else datetime.fromtimestamp(moment).strftime("%Y-%m-%d %H:%M:%S")


def state(job: JobRecord) -> str:
    """The state in words, with what is derived: what it waits for, and what was asked of it."""
    if job.state == "queued" and job.blocked_by:
        return "blocked by " + ", ".join(f"#{parent}" for parent in job.blocked_by)
    if job.state == "queued" and job.waiting_for:
        return "waiting for " + ", ".join(f"#{parent}" for parent in job.waiting_for)
    if job.state == "queued" and job.not_before is not None and job.not_before > time.time():
        return f"not before {clock(job.not_before)[:-3]}"
    if job.state == "running" and job.cancel_requested:
        return f"cancelling ({job.stop_stage})" if job.stop_stage else "cancelling"
    if job.state == "running" and job.pause_requested:
        return "pausing"
    if job.state == "running" and job.phase == "preparing":
        return "preparing"
    if job.state == "failed" and job.failure_kind:
        return f"failed: {job.failure_kind.replace('_', ' ')}"
    return job.state


def epoch(job: JobRecord) -> str:
    """``3/10``, or ``-/10`` before the first."""
    return f"{job.epoch or '-'}/{job.epochs or '-'}"


def data(source: str) -> str:
    """The last part of a path; names stay as they are."""
    return source.rstrip("/\\").replace("\\", "/").rpartition("/")[2] or source


def remaining(job: JobRecord) -> float | None:
    """Seconds until a running job ends, by its own reckoning and the time since."""
    if job.state != "running" or job.eta_seconds is None:
        return None
    return max(0.0, job.eta_seconds - (time.time() - (job.progress_at or time.time())))
