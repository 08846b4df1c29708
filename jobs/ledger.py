"""Small writes the verbs of the queue and the worker share: looking up, noting, ordering, linking."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from sqlalchemy import text
from sqlmodel import Session, col, select

from db.models import Dependency, Event, Job, State
from jobs.inbox import NEXT
from recipes.errors import NotFoundError, QueueError


def get_job(session: Session, job_id: int) -> Job:
    """The job's row; raises NotFoundError."""
    try:
        job = session.get(Job, job_id)
    except OverflowError:
        job = None
    if job is None:
        raise NotFoundError(f"no job {job_id}", "'clf status' lists the jobs")
    return job


def note(session: Session, job_id: int | None, kind: str, message: str, attempt: int = 0) -> None:
    """Leave an event: what the log cannot show."""
    session.add(Event(job_id=job_id, at=time.time(), attempt=attempt, kind=kind, message=message))


def end(job: Job, state: State) -> None:
    """Move `job` to a final state; a clock that was set back makes no duration negative."""
    release(job)
    job.state = state
    job.finished_at = max(time.time(), job.created_at, job.started_at or 0.0)


def requeue(job: Job, state: State = State.QUEUED) -> None:
    """Give `job` back to the queue (or to the person, when paused), at the place it had."""
    release(job)
    job.state = state
    job.finished_at = None
    job.failure_kind = job.failure_message = job.failure_hint = None


def release(job: Job) -> None:
    """Take the job out of its worker's hands: no token, no device, no flags."""
    job.token = job.worker_id = job.device = job.pid = job.pid_started = job.stop_stage = None
    job.cancel_requested = job.pause_requested = 0
    job.phase = job.message = job.eta_seconds = job.images_per_second = None


def last_position(session: Session) -> float:
    """A position behind every job that has not ended."""
    return float(session.connection().execute(text(NEXT)).scalar_one())


def neighbours(session: Session, job: Job) -> list[Job]:
    """The other waiting jobs of the same priority, in the order they will be claimed once none is paused."""
    same = select(Job).where(
        col(Job.state).in_((State.QUEUED, State.PAUSED)), Job.priority == job.priority, Job.id != job.id
    )
    return list(session.exec(same.order_by(col(Job.position), col(Job.id))))


def place_before(session: Session, job: Job, other: Job) -> None:
    """Put `job` between `other` and the one in front of it; when floats run out of room, number the row anew."""
    row = neighbours(session, job)
    index = next(i for i, each in enumerate(row) if each.id == other.id)
    before = row[index - 1].position if index else other.position - 2.0
    job.position = (before + other.position) / 2
    if not before < job.position < other.position:
        row.insert(index, job)
        for number, each in enumerate(row):
            each.position = row[0].position + number if number else each.position


def link(session: Session, job_id: int, parents: Iterable[int], *, any_outcome: bool) -> None:
    """Let `job_id` wait for `parents`; raises NotFoundError, and QueueError for a circle."""
    for parent in dict.fromkeys(parents):
        get_job(session, parent)
        if parent == job_id or job_id in ancestors(session, parent):
            raise QueueError(f"#{job_id} cannot wait for #{parent}: #{parent} waits for #{job_id}")
        session.merge(Dependency(job_id=job_id, parent_id=parent, any_outcome=any_outcome))
    session.flush()


def ancestors(session: Session, job_id: int) -> set[int]:
    """Every job that `job_id` waits for, directly or through others."""
    query = text(
        "WITH RECURSIVE up(id) AS (SELECT parent_id FROM dependency WHERE job_id = :job"
        " UNION SELECT d.parent_id FROM dependency d JOIN up ON d.job_id = up.id) SELECT id FROM up"
    )
    return {int(row[0]) for row in session.connection().execute(query, {"job": job_id})}


def holding_back(session: Session, job_id: int) -> Sequence[int]:
    """The unfinished jobs that wait for `job_id`."""
    query = (
        select(Dependency.job_id)
        .join(Job, col(Job.id) == col(Dependency.job_id))
        .where(Dependency.parent_id == job_id, col(Job.finished_at).is_(None))
    )
    return session.exec(query).all()
