"""A full disk: the job waits, paused, and goes on by itself when there is room."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

from sqlmodel import Session

from db.engine import Database
from db.models import Job, State
from jobs.ledger import get_job, note, requeue

WAITING = "disk full"  # the phase of a job that is paused for want of room
COPIES = 3  # of the largest checkpoint: the next one, and a new best and final model
AT_LEAST = 1 << 20  # bytes, for records and reports
UNKNOWN = 1 << 30  # bytes, where no checkpoint tells how large one is


def pause_for_room(session: Session, job: Job, message: str) -> None:
    """Put a job whose attempt found the disk full aside, with the reason."""
    requeue(job, State.PAUSED)
    job.phase, job.message = WAITING, message
    note(session, job.id, "disk_full", f"{message}; paused until there is room, then it goes on by itself", job.attempt)


def resume_with_room(database: Database, reader: sqlite3.Connection) -> list[int]:
    """Queue every job that waits for room and has it now; their ids."""
    query = "SELECT id, run_dir FROM job WHERE state = 'paused' AND phase = ?"
    found = [int(job_id) for job_id, run_dir in reader.execute(query, (WAITING,)) if has_room(Path(run_dir))]
    for job_id in found:
        with database.transaction() as session:
            job = get_job(session, job_id)
            if job.state == State.PAUSED and job.phase == WAITING:
                requeue(job)
                note(session, job_id, "resume", "there is room on the disk again", job.attempt)
    return found


def has_room(run_dir: Path) -> bool:
    """Whether what a run writes next fits on its disk."""
    sizes = [path.stat().st_size for path in run_dir.glob("*.pt")]
    needed = COPIES * max(sizes) + AT_LEAST if sizes else UNKNOWN
    return shutil.disk_usage(run_dir).free >= needed
