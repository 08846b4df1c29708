"""A job's state and progress in words, the same in commands and on screens."""

from __future__ import annotations

import time
from collections.abc import Iterable

from db.records import JobRecord
from tui import units

SIGNS = {"queued": "·", "running": "▶", "paused": "‖", "succeeded": "✓", "failed": "✗", "cancelled": "–"}


def state(job: JobRecord) -> str:
    """The state in words, with what is derived: what it waits for, and what was asked of it."""
    if job.state == "queued":
        return _held_back(job) or job.state
    if job.state == "running" and job.cancel_requested:
        return f"cancelling ({job.stop_stage})" if job.stop_stage else "cancelling"
    if job.state == "running" and job.pause_requested:
        return "pausing"
    if job.state == "running" and job.phase in ("starting", "preparing"):
        return job.phase
    if job.state == "paused" and job.phase:
        return f"paused: {job.phase}"
    if job.state == "failed" and job.failure_kind:
        return f"failed: {job.failure_kind.replace('_', ' ')}"
    return job.state


def doing(job: JobRecord) -> str:
    """What a job is busy with where no epoch is running: ``checking images 120/720``, ``testing 3/40``, or what a
    paused one waits for; empty for any other."""
    if job.state == "running" and job.phase == "test":
        return step(job)
    busy = job.state == "paused" or (job.state == "running" and job.phase == "preparing")
    return (job.message or "") if busy else ""


def in_words(job: JobRecord) -> str:
    """The state and what the job is doing: ``preparing: checking images 120/720``."""
    return ": ".join(part for part in (state(job), doing(job)) if part)


def step(job: JobRecord) -> str:
    """``step 412/720`` of the epoch, or ``validating 12/40``; empty before the first."""
    word = {"validate": "validating", "test": "testing"}.get(job.phase or "", "step")
    return f"{word} {job.epoch_step}/{job.epoch_steps}" if job.epoch_steps else ""


def _held_back(job: JobRecord) -> str:
    if job.blocked_by:
        return f"blocked by {numbers(job.blocked_by)}"
    if job.waiting_for:
        return f"waiting for {numbers(job.waiting_for)}"
    now = time.time()
    if job.not_before is not None and job.not_before > now:
        return f"not before {units.minute(job.not_before)}"
    if job.retry_at is not None and job.retry_at > now:
        return f"tries again in {units.duration(job.retry_at - now)}"
    return f"queued for {job.device_wanted}" if job.device_wanted != "auto" else ""


def served(job: JobRecord, devices: Iterable[str]) -> bool:
    """Whether a worker on one of these devices takes the job: any for `auto`, each cuda:N for `cuda`."""
    wanted = job.device_wanted
    return any(wanted in ("auto", device) or (wanted == "cuda" and device.startswith("cuda:")) for device in devices)


def short(job: JobRecord) -> str:
    """The state in at most ten characters or so, for a narrow column."""
    if job.state == "queued" and job.blocked_by:
        return "blocked"
    if job.state == "queued" and job.waiting_for:
        return f"after #{job.waiting_for[0]}"
    if job.state == "running":
        return "stopping" if job.cancel_requested else state(job)
    if job.state == "paused" and job.phase:
        return job.phase
    return job.state


def numbers(ids: tuple[int, ...]) -> str:
    """``#3, #4``."""
    return ", ".join(f"#{each}" for each in ids)


def epoch(job: JobRecord) -> str:
    """``3/10``, or ``-/10`` before the first."""
    return f"{job.epoch or units.NOTHING}/{job.epochs or units.NOTHING}"


def data(source: str) -> str:
    """The last part of a path; names stay as they are."""
    return source.rstrip("/\\").replace("\\", "/").rpartition("/")[2] or source


def progress(job: JobRecord) -> float:
    """Share of the run that is done, 0..1."""
    if job.state == "succeeded":
        return 1.0
    if job.steps:
        return min(1.0, job.step / job.steps)
    return min(1.0, max(0, job.epoch - 1) / job.epochs) if job.epochs else 0.0


def remaining(job: JobRecord, now: float) -> float | None:
    """Seconds until a running job ends: its last reckoning, less the time since.

    A reckoning that seems older than a minute is not: the clock was set, or the job slept. Then it stands as it is.
    """
    if job.state != "running" or job.eta_seconds is None:
        return None
    since = now - (job.progress_at or now)
    return max(0.0, job.eta_seconds - since) if 0.0 <= since <= 60.0 else job.eta_seconds
