"""Reading for both faces: stdlib sqlite3, read-only, plain frozen dataclasses; no ORM on this path.

Importing an ORM costs more than everything `clf status` does, so lists, details, series and samples are read here,
and only here: the command line and the Textual app share these functions.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class JobRecord:
    """A row of `job` (see db.models.Job for units) with what is derived from its neighbours."""

    id: int
    name: str
    recipe_name: str
    recipe: str
    data: str
    model: str
    state: str
    priority: int
    position: float
    created_at: float
    not_before: float | None
    started_at: float | None
    finished_at: float | None
    cancel_requested: int
    pause_requested: int
    attempt: int
    retries_left: int
    device_wanted: str
    device: str | None
    pid: int | None
    stop_stage: str | None
    run_dir: str | None
    clf_version: str
    git_commit: str | None
    phase: str | None
    stage: str | None
    epoch: int
    epochs: int
    step: int
    steps: int
    epoch_step: int
    epoch_steps: int
    train_loss: float | None
    lr: float | None
    images_per_second: float | None
    eta_seconds: float | None
    memory: int | None
    memory_peak: int | None
    best_accuracy: float | None
    best_epoch: int | None
    best_f1: float | None
    test_accuracy: float | None
    test_f1: float | None
    outcome: str | None
    progress_at: float | None
    failure_kind: str | None
    failure_message: str | None
    failure_hint: str | None
    waiting_for: tuple[int, ...] = ()  # parents that have not ended yet
    blocked_by: tuple[int, ...] = ()  # parents that ended without success


@dataclass(frozen=True)
class WorkerRecord:
    """A row of `worker`; `alive` is decided by jobs.liveness, not by the heartbeat."""

    id: int
    device: str
    device_name: str | None
    pid: int
    pid_started: float
    boot_id: str
    started_at: float
    heartbeat_at: float
    device_used: int | None
    device_total: int | None
    utilization: float | None
    temperature: float | None
    power: float | None


@dataclass(frozen=True)
class Series:
    """A curve, decimated: xs rise; a None in ys is a value that was not finite."""

    name: str  # "val/accuracy"
    xs: tuple[float, ...]
    ys: tuple[float | None, ...]


@dataclass(frozen=True)
class EventRecord:
    id: int
    job_id: int | None
    at: float
    attempt: int
    kind: str
    message: str


_JOB_COLUMNS = tuple(field for field in JobRecord.__dataclass_fields__ if field not in ("waiting_for", "blocked_by"))


def connect(path: Path, timeout: float = 5.0) -> sqlite3.Connection:
    """A read-only connection; raises sqlite3.OperationalError when there is no database."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=timeout, isolation_level=None)
    connection.row_factory = sqlite3.Row
    return connection
