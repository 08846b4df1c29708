"""Jobs whose worker or child is gone: telling the dead from the slow."""

from __future__ import annotations

from pathlib import Path

from sqlmodel import Session, select

from db.engine import Database
from db.models import Job, State, Worker
from db.records import WorkerRecord
from jobs.child import Child
from jobs.claims import finish, held
from jobs.ending import End, Ending, read_ending
from jobs.ledger import get_job
from jobs.liveness import boot_id, child_alive, worker_alive
from recipes.home import Home


def is_abandoned(session: Session, home: Home, job: Job) -> bool:
    """Whether a running job has neither a living child nor a living worker that would see to it."""
    worker = session.get(Worker, job.worker_id)
    return not (_is_at_work(home, worker) or has_living_child(job, worker))


def has_living_child(job: Job, worker: Worker | None) -> bool:
    """Whether the child of a running job may still write, by its lock or by its process."""
    run_dir = Path(job.run_dir) if job.run_dir else None
    return child_alive(run_dir, job.pid, job.pid_started, worker.boot_id if worker is not None else "")


def _is_at_work(home: Home, worker: Worker | None) -> bool:
    """Whether a worker neither said that it stopped nor died without saying so."""
    if worker is None or worker.stopped_at is not None:
        return False
    fields = (name for name in WorkerRecord.__dataclass_fields__ if name != "alive")
    return worker_alive(home, WorkerRecord(**{name: getattr(worker, name) for name in fields}))


def has_living_worker(database: Database, home: Home, job_id: int) -> bool:
    """Whether the worker that holds the job still runs."""
    with database.transaction() as session:
        job = get_job(session, job_id)
        worker = session.get(Worker, job.worker_id) if job.worker_id is not None else None
        return _is_at_work(home, worker)


def orphan(database: Database, job: Job) -> Child:
    """The child of a running job whose worker is gone: perhaps alive, perhaps long dead."""
    with database.transaction() as session:
        worker = session.get(Worker, job.worker_id) if job.worker_id is not None else None
        this_boot = worker is not None and worker.boot_id == boot_id()
    return Child(held(job), job.pid if this_boot else None, job.pid_started if this_boot else None, None)


def ending_of_orphan(job: Job, child: Child) -> Ending:
    """How a dead orphan ended: what it wrote, or what can be told from when it was last seen."""
    if (written := read_ending(child.attempt.run_dir, child.attempt.token)) is not None:
        return written
    if job.pid is None:
        return Ending(End.STOPPED, message="its worker died before it began")
    if child.pid is None:
        return Ending(End.STOPPED, message="the machine was restarted")
    return child.ending()


def recover_abandoned(database: Database, home: Home) -> list[int]:
    """Record the end of every running job that neither a worker nor a child stands behind, on any device."""
    with database.transaction() as session:
        running = session.exec(select(Job).where(Job.state == State.RUNNING)).all()
        abandoned = [job for job in running if is_abandoned(session, home, job)]
        session.expunge_all()
    for job in abandoned:
        child = orphan(database, job)
        child.sweep()
        finish(database, child.attempt, ending_of_orphan(job, child))
    return [job.id for job in abandoned if job.id is not None]
