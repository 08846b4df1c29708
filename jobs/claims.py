"""What a worker does to the queue: claim a job, say which process trains it, record how that ended.

Every write carries the attempt's token in its WHERE clause: an attempt that is no longer the job's changes nothing.
"""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, text
from sqlmodel import Session, select

from db import records
from db.engine import Database
from db.models import Job, State
from jobs.ending import End, Ending
from jobs.ledger import end, note, requeue
from jobs.room import pause_for_room
from jobs.spared import SPARED, spared
from recipes.errors import FailureKind
from recipes.home import Home

MAX_CRASHES = 3  # attempts in a row that may die without a new checkpoint
BACK_OFF = (10.0, 60.0, 300.0, 900.0)  # seconds before the first, second, ... asked-for retry
WORTH_A_RETRY = frozenset(
    {FailureKind.OUT_OF_MEMORY, FailureKind.DEVICE_LOST, FailureKind.STALLED, FailureKind.KILLED, FailureKind.ERROR}
)

# A retry_at further away than the longest back-off means that the clock was set back: do not wait for it.
READY = f"""
    state = 'queued' AND (not_before IS NULL OR not_before <= :now)
    AND (retry_at IS NULL OR retry_at <= :now OR retry_at > :now + {BACK_OFF[-1]})
    AND (device_wanted IN ('auto', :device) OR (device_wanted = 'cuda' AND :device LIKE 'cuda:%'))
    AND (:only IS NULL OR id = :only)
    AND (:only IS NOT NULL OR NOT EXISTS (SELECT 1 FROM setting WHERE key = 'paused' AND value = '1'))
    AND NOT EXISTS (
        SELECT 1 FROM dependency d JOIN job p ON p.id = d.parent_id
        WHERE d.job_id = job.id AND p.state != 'succeeded' AND NOT (d.any_outcome AND p.finished_at IS NOT NULL)
    )
"""
NEXT = f"SELECT id FROM job INDEXED BY job_claim WHERE {READY} ORDER BY priority DESC, position, id LIMIT 1"
CLAIM = f"""
    UPDATE job SET state = 'running', attempt = attempt + 1, token = :token, worker_id = :worker, device = :device,
        pid = NULL, pid_started = NULL, stop_stage = NULL, cancel_requested = 0, pause_requested = 0, retry_at = NULL,
        phase = 'starting', message = NULL, eta_seconds = NULL, images_per_second = NULL, progress_at = NULL,
        started_at = coalesce(started_at, max(:now, created_at))
    WHERE id = ({NEXT}) RETURNING id, name, attempt, fresh, recipe, run_dir
"""


@dataclass(frozen=True)
class Held:
    """A job in a worker's hands: one attempt."""

    job_id: int
    attempt: int
    token: str
    device: str
    run_dir: Path
    fresh: bool  # empty the run directory before the child starts
    stall_timeout: float  # seconds; 0 is off


def claim(database: Database, home: Home, worker_id: int, device: str, *, only: int | None = None) -> Held | None:
    """Take the first job that may begin on `device`, or None when there is none."""
    values = {"token": uuid.uuid4().hex, "worker": worker_id, "device": device, "now": time.time(), "only": only}
    with database.transaction() as session:
        row = session.connection().execute(text(CLAIM), values).one_or_none()
        if row is None:
            return None
        run_dir = Path(row.run_dir) if row.run_dir else home.run_dir(row.id, row.name)
        session.connection().execute(
            text("UPDATE job SET run_dir = :dir WHERE id = :id"), {"dir": str(run_dir), "id": row.id}
        )
        note(session, row.id, "started", f"attempt {row.attempt} on {device}", row.attempt)
        return Held(
            row.id, row.attempt, str(values["token"]), device, run_dir, bool(row.fresh), _stall_timeout(row.recipe)
        )


def _stall_timeout(recipe: str) -> float:
    return float(json.loads(recipe).get("run", {}).get("stall_timeout", 0.0))


def held_jobs(database: Database, device: str) -> list[Job]:
    """The jobs the database says run on `device`: at most one."""
    with database.transaction() as session:
        found = list(session.exec(select(Job).where(Job.state == State.RUNNING, Job.device == device)))
        session.expunge_all()
    return found


def held(job: Job) -> Held:
    """What a claim returned, from the row it left."""
    if job.id is None or job.token is None or job.device is None or job.run_dir is None:
        raise ValueError(f"job {job.id} is not running")
    return Held(job.id, job.attempt, job.token, job.device, Path(job.run_dir), job.fresh, _stall_timeout(job.recipe))


def mine(connection: Connection, attempt: Held, assignments: str, **values: object) -> bool:
    """UPDATE the attempt's job; False, with nothing changed, when the attempt is no longer the job's."""
    query = f"UPDATE job SET {assignments} WHERE id = :id AND attempt = :attempt AND token = :token"
    identity = {"id": attempt.job_id, "attempt": attempt.attempt, "token": attempt.token}
    return connection.execute(text(query), values | identity).rowcount == 1


def started(database: Database, attempt: Held, pid: int, pid_started: float) -> bool:
    """Write down the child's process; from here on a dead worker's successor can find it."""
    with database.transaction() as session:
        return mine(
            session.connection(), attempt, "pid = :pid, pid_started = :started, fresh = 0", pid=pid, started=pid_started
        )


def finish(database: Database, attempt: Held, ending: Ending) -> State | None:
    """Record how the attempt ended and where that leaves the job; None when the attempt was stale."""
    with database.transaction() as session:
        return finish_in(session, attempt, ending)


def finish_in(session: Session, attempt: Held, ending: Ending) -> State | None:
    """`finish` within the caller's transaction."""
    job = session.get(Job, attempt.job_id)
    if job is None or (job.attempt, job.token) != (attempt.attempt, attempt.token):
        return None
    if ending.end == End.SUCCEEDED:
        job.outcome, job.crashes = ending.outcome, 0
        end(job, State.SUCCEEDED)
        note(session, job.id, "succeeded", ending.outcome or "completed", job.attempt)
    elif job.cancel_requested:
        end(job, State.CANCELLED)
        note(session, job.id, "cancelled", ending.message or "left as asked", job.attempt)
    elif ending.end == End.STOPPED or (ending.end == End.DIED and job.pause_requested):
        requeue(job, State.PAUSED if job.pause_requested else State.QUEUED)
        note(session, job.id, "interrupted", ending.message or "left after a checkpoint", job.attempt)
    else:
        _after_failure(session, job, ending)
    return State(job.state)


def _after_failure(session: Session, job: Job, ending: Ending) -> None:
    message = ending.message or "failed"
    if ending.kind == FailureKind.DISK_FULL:
        pause_for_room(session, job, message)
        return
    if ending.end == End.DIED and ending.kind == FailureKind.OUT_OF_MEMORY and not spared(session, job.id):
        requeue(job)
        note(session, job.id, SPARED, f"{message}; goes on with half the micro-batch", job.attempt)
        return
    if ending.end == End.DIED and ending.kind != FailureKind.OUT_OF_MEMORY:
        job.crashes += 1
        if job.crashes < MAX_CRASHES:
            requeue(job)
            note(session, job.id, "crashed", f"{message}; goes on from its last checkpoint", job.attempt)
            return
        message = f"{message}, {job.crashes} times in a row without a new checkpoint"
    if job.retries_left > 0 and ending.kind in WORTH_A_RETRY:
        wait = BACK_OFF[min(job.retries - job.retries_left, len(BACK_OFF) - 1)]
        job.retries_left, job.crashes = job.retries_left - 1, 0
        requeue(job)
        job.retry_at = time.time() + wait
        note(session, job.id, "retry", f"{message}; tries again in {wait:.0f} s", job.attempt)
        return
    end(job, State.FAILED)
    job.failure_kind, job.failure_message, job.failure_hint = ending.kind or FailureKind.ERROR, message, ending.hint
    note(session, job.id, "failed", message, job.attempt)


def held_columns(database: Database, attempt: Held, columns: str) -> tuple[object, ...] | None:
    """The values of `columns` of the attempt's job; None when it is no longer the job's. Takes no write lock."""
    connection = records.connect(database.path)
    try:
        query = f"SELECT {columns} FROM job WHERE id = ? AND token = ?"
        row = connection.execute(query, (attempt.job_id, attempt.token)).fetchone()
        return tuple(row) if row is not None else None
    finally:
        connection.close()
