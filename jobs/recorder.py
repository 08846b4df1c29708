"""Events of a run become rows: collected at once, written twice a second by a thread, so training never waits."""

from __future__ import annotations

import json
import math
import threading
import time
from pathlib import Path
from typing import Any

from sqlalchemy import TextClause, text

from core.events import (
    CheckpointSaved,
    EpochEnded,
    Event,
    MemoryReading,
    Preparing,
    RunFinished,
    RunStarted,
    StageStarted,
    StepLogged,
    Warned,
)
from db.engine import Database
from jobs.claims import Held, mine
from recipes.errors import DatabaseError

FLUSH_SECONDS = 0.5
SAMPLE_SECONDS = 2.0
CLOSE_SECONDS = 60.0  # how long a locked database is waited for at the end

_METRIC = text(
    "INSERT OR REPLACE INTO metric (job_id, split, name, step, epoch, attempt, stage, value, at)"
    " VALUES (:job, :split, :name, :step, :epoch, :attempt, :stage, :value, :at)"
)
_MISSING = text(_METRIC.text.replace("OR REPLACE", "OR IGNORE"))
_SAMPLE = text(
    "INSERT OR REPLACE INTO sample (job_id, at, allocated, reserved, peak, device_total)"
    " VALUES (:job, :at, :allocated, :reserved, :peak, :total)"
)
_EVENT = text("INSERT INTO event (job_id, at, attempt, kind, message) VALUES (:job, :at, :attempt, :kind, :message)")
_CHANGED = text(
    "INSERT INTO event (job_id, at, attempt, kind, message) SELECT id, :at, :attempt, 'data',"
    " 'the data is no longer what it was when the job was queued' FROM job WHERE id = :job AND data_hash != :digest"
)
_DIGEST = text("UPDATE job SET data_hash = coalesce(data_hash, :digest) WHERE id = :job")
_LOST = text("DELETE FROM metric WHERE job_id = :job AND step > :step")
_CHECKPOINT = (
    "crashes = CASE WHEN :checkpoint > checkpoint_step THEN 0 ELSE crashes END,"
    " checkpoint_step = max(checkpoint_step, :checkpoint)"
)


class Recorder:
    """Writes what one attempt reports. `stale` is set once the job belongs to another attempt: then stop."""

    def __init__(self, database: Database, attempt: Held) -> None:
        self.stale = threading.Event()
        self._database = database
        self._attempt = attempt
        self._lock = threading.Lock()
        self._columns: dict[str, Any] = {}
        self._rows: list[tuple[TextClause, dict[str, Any]]] = []  # statement and values, in order
        self._stage = "train"
        self._sampled = -math.inf
        self._began = (time.time(), time.monotonic())
        self._closed = threading.Event()
        self._hurry = threading.Event()
        self._thread = threading.Thread(target=self._keep_writing, name="recorder", daemon=True)
        self._thread.start()

    def record(self, event: Event) -> None:
        """Take note of `event`; returns at once."""
        with self._lock:
            self._columns["progress_at"] = self._now()
            self._take(event)
        if isinstance(event, EpochEnded | CheckpointSaved):
            self._hurry.set()  # what a resumed run will not report again

    def close(self) -> bool:
        """Write what is left, waiting for a locked database; False when it could not be written."""
        self._closed.set()
        self._hurry.set()
        self._thread.join(CLOSE_SECONDS)
        deadline = time.monotonic() + CLOSE_SECONDS
        while not self._flush() and time.monotonic() < deadline:
            time.sleep(FLUSH_SECONDS)
        return not self._rows and not self._columns

    def _now(self) -> float:
        """Unix seconds that only rise within an attempt, whatever happens to the wall clock."""
        wall, monotonic = self._began
        return wall + time.monotonic() - monotonic

    def _take(self, event: Event) -> None:
        match event:
            case Preparing():
                self._columns |= {"phase": "preparing", "message": str(event)}
            case RunStarted():
                self._run_started(event)
            case StageStarted():
                self._stage = event.name
                self._columns |= {"stage": event.name, "phase": "train", "message": None}
            case StepLogged():
                self._step(event)
            case EpochEnded():
                self._epoch(event)
            case CheckpointSaved():
                if event.kind == "last":
                    self._columns["checkpoint"] = event.step
            case Warned():
                self._note(event.kind, event.message)
            case RunFinished():
                self._finished(event)

    def _run_started(self, event: RunStarted) -> None:
        self._rows.append((_LOST, {"job": self._attempt.job_id, "step": event.resumed_step}))
        if event.resumed_step:
            self._fill_in(event.resumed_step)
        self._columns |= {
            "epochs": event.epochs,
            "steps": event.steps,
            "epoch": event.resumed_epoch,
            "step": event.resumed_step,
            "message": None,
            "phase": "train",
        }
        if event.data_digest:
            about = {"job": self._attempt.job_id, "digest": event.data_digest}
            self._rows.append((_CHANGED, {**about, "at": self._now(), "attempt": self._attempt.attempt}))
            self._rows.append((_DIGEST, about))
        begun = f", from epoch {event.resumed_epoch}, step {event.resumed_step}" if event.resumed_step else ""
        self._note("training", f"{event.model} on {event.device_name} with {event.precision}{begun}")

    def _fill_in(self, last_step: int) -> None:
        """Epochs that are in history.json but were not recorded: the process died between the two."""
        for epoch in read_history(self._attempt.run_dir):
            if epoch["step"] > last_step:
                continue
            self._stage = str(epoch["stage"])
            for key, value in epoch.items():
                split, slash, name = key.partition("/")
                if slash:
                    self._metric(split, name, value, epoch["step"], float(epoch["epoch"]), _MISSING)

    def _step(self, event: StepLogged) -> None:
        self._columns |= {
            "phase": event.phase,
            "stage": event.stage,
            "message": None,
            "epoch": event.epoch,
            "epoch_step": event.epoch_step,
            "epoch_steps": event.epoch_steps,
            "step": event.step,
            "images_per_second": _finite(event.images_per_second),
            "memory": event.memory.allocated,
            "memory_peak": event.memory.peak or event.memory.allocated,
        }
        if event.phase != "validate":  # which reckons none: the last one stands
            self._columns["eta_seconds"] = _finite(event.eta_seconds)
        self._sample(event.memory)
        if event.phase != "train":
            return
        self._columns |= {"train_loss": _finite(event.loss), "lr": _finite(event.lr)}
        epoch = event.epoch - 1 + event.epoch_step / max(1, event.epoch_steps)
        for name in ("loss", "lr", "images_per_second"):
            self._metric("step", name, getattr(event, name), event.step, epoch)

    def _epoch(self, event: EpochEnded) -> None:
        self._stage = event.stage
        self._columns |= {"stage": event.stage, "epoch": event.epoch, "step": event.step}
        for key, value in event.metrics.items():
            split, _, name = key.partition("/")
            self._metric(split, name, value, event.step, float(event.epoch))
        if "train/loss" in event.metrics:
            self._columns["train_loss"] = _finite(event.metrics["train/loss"])
        if "accuracy" in event.best:
            self._columns |= {"best_accuracy": _best(event, "accuracy"), "best_epoch": event.epoch}
        if "f1" in event.best:
            self._columns["best_f1"] = _best(event, "f1")

    def _finished(self, event: RunFinished) -> None:
        self._columns |= {"step": event.step, "epoch": event.epoch, "message": None}
        for key, value in event.metrics.items():
            split, _, name = key.partition("/")
            self._metric(split, name, value, event.step, float(event.epoch))
        for name in ("accuracy", "f1"):
            if f"test/{name}" in event.metrics:
                self._columns[f"test_{name}"] = _finite(event.metrics[f"test/{name}"])

    def _metric(
        self, split: str, name: str, value: float | None, step: int, epoch: float, statement: TextClause = _METRIC
    ) -> None:
        values = {
            "job": self._attempt.job_id, "split": split, "name": name, "step": step, "epoch": epoch,
            "attempt": self._attempt.attempt, "stage": self._stage, "value": _finite(value), "at": self._now(),
        }  # fmt: skip
        self._rows.append((statement, values))

    def _sample(self, memory: MemoryReading) -> None:
        if time.monotonic() - self._sampled < SAMPLE_SECONDS:
            return
        self._sampled = time.monotonic()
        values = {
            "allocated": memory.allocated,
            "reserved": memory.reserved,
            "peak": memory.peak,
            "total": memory.total,
        }
        self._rows.append((_SAMPLE, {"job": self._attempt.job_id, "at": self._now(), **values}))

    def _note(self, kind: str, message: str) -> None:
        values = {"job": self._attempt.job_id, "at": self._now(), "attempt": self._attempt.attempt}
        self._rows.append((_EVENT, values | {"kind": kind, "message": message}))

    def _keep_writing(self) -> None:
        while not self._closed.is_set():
            self._hurry.wait(FLUSH_SECONDS)
            self._hurry.clear()
            self._flush()

    def _flush(self) -> bool:
        """Write what has gathered in one transaction; on a database error keep it for the next try."""
        with self._lock:
            columns, rows = self._columns, self._rows
            self._columns, self._rows = {}, []
        if not columns and not rows:
            return True
        try:
            with self._database.transaction() as session:
                connection = session.connection()
                if not mine(connection, self._attempt, _assignments(columns), **columns):
                    self.stale.set()
                    return True
                for statement, values in rows:
                    connection.execute(statement, values)
        except DatabaseError:
            with self._lock:
                self._columns = columns | self._columns
                self._rows = rows + self._rows
            return False
        return True


def read_history(run_dir: Path) -> list[dict[str, Any]]:
    """The epochs of history.json; none when it is missing or unreadable."""
    try:
        found = json.loads((run_dir / "history.json").read_text(encoding="utf-8"))
        return [epoch for epoch in found if {"epoch", "step", "stage"} <= set(epoch)]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _assignments(columns: dict[str, Any]) -> str:
    parts = [_CHECKPOINT if name == "checkpoint" else f"{name} = :{name}" for name in columns]
    return ", ".join(parts) or "id = id"


def _best(event: EpochEnded, name: str) -> float | None:
    """The value that was the best: of the averaged weights where those are what is kept."""
    values = [event.metrics[key] for key in (f"val/{name}", f"ema/{name}") if key in event.metrics]
    return _finite(max(values)) if values else None


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
