"""Jobs whose worker or child is gone: telling the dead from the slow."""

from __future__ import annotations

from pathlib import Path

from sqlmodel import Session

from db.models import Job, Worker
from db.records import WorkerRecord
from jobs.liveness import child_alive, worker_alive
from recipes.home import Home


def is_abandoned(session: Session, home: Home, job: Job) -> bool:
    """Whether a running job has neither a living child nor a living worker that would see to it."""
    worker = session.get(Worker, job.worker_id)
    if worker is not None and worker.stopped_at is None and worker_alive(home, as_record(worker)):
        return False
    return not has_living_child(job, worker)


def has_living_child(job: Job, worker: Worker | None) -> bool:
    """Whether the child of a running job may still write, by its lock or by its process."""
    run_dir = Path(job.run_dir) if job.run_dir else None
    return child_alive(run_dir, job.pid, job.pid_started, worker.boot_id if worker is not None else "")


def as_record(worker: Worker) -> WorkerRecord:
    return WorkerRecord(
        **{name: getattr(worker, name) for name in WorkerRecord.__dataclass_fields__ if name not in ("alive",)}
    )
