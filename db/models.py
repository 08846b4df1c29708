"""The tables. Invariants live here as CHECKs, foreign keys and indexes; times are Unix seconds, sizes bytes."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Integer, Text, text
from sqlmodel import Field, SQLModel


class State(StrEnum):
    """Where a job is. `waiting for #3` and `blocked by #3` are derived, not states."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def finished(self) -> bool:
        return self in (State.SUCCEEDED, State.FAILED, State.CANCELLED)


def _one_of(column: str, values: type[StrEnum]) -> str:
    return f"{column} IN ({', '.join(repr(value.value) for value in values)})"


class Job(SQLModel, table=True):
    """A recipe frozen at the moment it was queued, with its state and its progress."""

    __table_args__ = (
        CheckConstraint(_one_of("state", State), name="state_known"),
        CheckConstraint(
            "(finished_at IS NOT NULL) = (state IN ('succeeded', 'failed', 'cancelled'))",
            name="finished_has_time",
        ),
        CheckConstraint("state != 'running' OR (token IS NOT NULL AND worker_id IS NOT NULL)", name="running_is_held"),
        CheckConstraint("state = 'running' OR token IS NULL", name="only_running_is_held"),
        CheckConstraint("state = 'failed' OR failure_kind IS NULL", name="only_failed_has_failure"),
        CheckConstraint("cancel_requested IN (0, 1, 2)", name="cancel_flag"),
        CheckConstraint("pause_requested IN (0, 1)", name="pause_flag"),
        CheckConstraint("attempt >= 0 AND retries_left >= 0", name="counts_not_negative"),
        Index("job_claim", text("priority DESC"), "position", "id", sqlite_where=text("state = 'queued'")),
        Index("job_state", "state", "id"),
        Index("job_finished", "finished_at", "id", sqlite_where=text("finished_at IS NOT NULL")),
        Index("job_name", "name"),
        Index("job_unique_key", "unique_key"),
        Index("job_running_device", "device", unique=True, sqlite_where=text("state = 'running'")),
        {"sqlite_autoincrement": True},  # an id is never used twice, so a run directory is never shared
    )

    id: int | None = Field(default=None, primary_key=True)
    name: str
    recipe_name: str
    recipe: str = Field(sa_column=Column(Text, nullable=False))  # the frozen Recipe as JSON
    data: str  # recipe.data.source, for lists and filters
    model: str  # recipe.model.name, likewise
    data_hash: str | None = None  # of the manifest, where it was known when queued
    unique_key: str | None = None
    state: str = State.QUEUED
    priority: int = 0  # larger runs first
    position: float  # order within a priority; moving a job changes only its own
    created_at: float
    not_before: float | None = None  # asked for by the person
    retry_at: float | None = None  # back-off after a crash
    started_at: float | None = None  # of the first attempt
    finished_at: float | None = None
    cancel_requested: int = 0  # 1 asked to leave, 2 kill now
    pause_requested: int = 0
    attempt: int = 0
    retries: int = 0  # as asked for; what a retry by hand starts from again
    retries_left: int = 0
    crashes: int = 0  # attempts in a row that died without a new checkpoint
    checkpoint_step: int = 0  # optimiser steps done at the newest checkpoint
    fresh: bool = False  # the next attempt empties the run directory first
    elapsed_seconds: float = 0.0  # of all attempts, by a clock that nobody sets
    token: str | None = None  # of the running attempt; every write of a worker or child carries it
    worker_id: int | None = None
    device_wanted: str = "auto"
    device: str | None = None  # while running: the device it holds
    pid: int | None = None  # child of the running attempt
    pid_started: float | None = None  # the child's process start time
    stop_stage: str | None = None  # of the stop ladder: "asked", "SIGTERM", "SIGKILL"
    run_dir: str | None = None
    clf_version: str
    git_commit: str | None = None
    # progress, rewritten by the recorder
    phase: str | None = None  # "preparing", "train", "validate", "test"
    message: str | None = None  # what the phase is busy with: "checking images 120/720"
    stage: str | None = None
    epoch: int = 0  # the epoch being worked on, from 1; all done: equal to epochs
    epochs: int = 0
    step: int = 0
    steps: int = 0
    epoch_step: int = 0
    epoch_steps: int = 0
    train_loss: float | None = None
    lr: float | None = None
    images_per_second: float | None = None
    eta_seconds: float | None = None
    memory: int | None = None  # newest reading, bytes
    memory_peak: int | None = None
    best_accuracy: float | None = None  # validation, 0..1
    best_epoch: int | None = None
    best_f1: float | None = None
    test_accuracy: float | None = None
    test_f1: float | None = None
    outcome: str | None = None  # of core.events.Outcome, once succeeded
    progress_at: float | None = None
    # failure
    failure_kind: str | None = None  # of recipes.errors.FailureKind
    failure_message: str | None = None
    failure_hint: str | None = None


class Dependency(SQLModel, table=True):
    """`job_id` waits for `parent_id`: until it succeeded, or with `any_outcome` until it ended."""

    job_id: int = Field(sa_column=Column(Integer, ForeignKey("job.id", ondelete="CASCADE"), primary_key=True))
    parent_id: int = Field(
        sa_column=Column(Integer, ForeignKey("job.id", ondelete="CASCADE"), primary_key=True, index=True)
    )
    any_outcome: bool = False

    __table_args__ = (CheckConstraint("job_id != parent_id", name="no_self_dependency"),)


class Metric(SQLModel, table=True):
    """One value of one series. A resumed attempt replaces the steps its predecessor lost."""

    job_id: int = Field(sa_column=Column(Integer, ForeignKey("job.id", ondelete="CASCADE"), primary_key=True))
    split: str = Field(primary_key=True)  # "step" for readings within an epoch; "train", "val", "test", "ema", "run"
    name: str = Field(primary_key=True)  # "loss", "accuracy", "lr", ...
    step: int = Field(primary_key=True)
    epoch: float  # fractional within an epoch
    attempt: int
    stage: str
    value: float | None  # None: NaN or infinite
    at: float

    __table_args__ = {"sqlite_with_rowid": False}


class Sample(SQLModel, table=True):
    """Memory and device readings, taken by the worker and the child every few seconds."""

    job_id: int = Field(sa_column=Column(Integer, ForeignKey("job.id", ondelete="CASCADE"), primary_key=True))
    at: float = Field(primary_key=True)
    allocated: int | None = None  # bytes; see core.events.MemoryReading
    reserved: int | None = None
    peak: int | None = None
    device_used: int | None = None  # bytes in use on the device by everyone
    device_total: int | None = None
    resident: int | None = None  # bytes: child and its loader processes
    utilization: float | None = None  # of the device (or of the CPU), 0..1
    temperature: float | None = None  # degrees Celsius
    power: float | None = None  # watts

    __table_args__ = {"sqlite_with_rowid": False}


class Event(SQLModel, table=True):
    """What the log cannot show: stops, recoveries, halved batches, warnings."""

    __table_args__ = (Index("event_job", "job_id", "id"),)

    id: int | None = Field(default=None, primary_key=True)
    job_id: int | None = Field(default=None, sa_column=Column(Integer, ForeignKey("job.id", ondelete="CASCADE")))
    at: float
    attempt: int = 0
    kind: str
    message: str


class Worker(SQLModel, table=True):
    """A supervisor process; alive only if its lock is held, whatever the row says."""

    __table_args__ = (Index("worker_device_live", "device", unique=True, sqlite_where=text("stopped_at IS NULL")),)

    id: int | None = Field(default=None, primary_key=True)
    device: str
    device_name: str | None = None
    pid: int
    pid_started: float
    boot_id: str
    host: str
    started_at: float
    heartbeat_at: float
    stopped_at: float | None = None
    stop_requested: int = 0  # 1 leave after a checkpoint, 2 now
    device_used: int | None = None
    device_total: int | None = None
    utilization: float | None = None
    temperature: float | None = None
    power: float | None = None


class Setting(SQLModel, table=True):
    """Small facts about the whole queue, e.g. ("paused", "1")."""

    key: str = Field(primary_key=True)
    value: str
