"""The worker's place in the database: one worker per device, its heartbeat, and what is asked of it."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from filelock import FileLock, Timeout
from sqlalchemy import text
from sqlmodel import col, select

from db import records
from db.engine import Database
from db.models import Worker
from jobs.claims import Held, mine
from jobs.device import DeviceReading, device_name
from jobs.ledger import note
from jobs.liveness import boot_id, host, process_start, worker_lock
from recipes.errors import DatabaseError, QueueError
from recipes.home import Home

LOCK_SECONDS = 1.0  # somebody who only looks whether the lock is held takes it for an instant


@dataclass(frozen=True)
class Wishes:
    """What the database asks of a worker and of the attempt it holds."""

    stop: int = 0  # 1 leave after a checkpoint, 2 now
    cancel: int = 0
    pause: int = 0
    mine: bool = True  # the attempt is still the job's


@contextmanager
def post(home: Home, database: Database, device: str) -> Iterator[int]:
    """Be the worker of `device` and yield its id; raises QueueError with the pid of the one that already is."""
    lock = FileLock(worker_lock(home, device))
    try:
        lock.acquire(timeout=LOCK_SECONDS)
    except Timeout as error:
        raise QueueError(
            f"{device} already has a worker (pid {_holder(home, device)})",
            "'clf worker status' shows it, 'clf worker stop' ends it",
        ) from error
    try:
        worker_id = _arrive(database, device)
        yield worker_id
        _leave(database, worker_id)
    finally:
        lock.release()


def _holder(home: Home, device: str) -> str:
    reader = records.connect(home.database)
    try:
        pids = [str(worker.pid) for worker in records.workers(reader) if worker.device == device]
    finally:
        reader.close()
    return pids[0] if pids else "unknown: it is just starting"


def _arrive(database: Database, device: str) -> int:
    now = time.time()
    with database.transaction() as session:
        for old in session.exec(select(Worker).where(Worker.device == device, col(Worker.stopped_at).is_(None))):
            old.stopped_at = now
            note(session, None, "worker", f"the worker of {device} (pid {old.pid}) is gone without a word")
        session.flush()
        worker = Worker(
            device=device,
            device_name=device_name(device),
            pid=os.getpid(),
            pid_started=process_start(os.getpid()) or 0.0,
            boot_id=boot_id(),
            host=host(),
            started_at=now,
            heartbeat_at=now,
        )
        session.add(worker)
        session.flush()
        note(session, None, "worker", f"worker of {device} started (pid {worker.pid})")
        assert worker.id is not None
        return worker.id


def _leave(database: Database, worker_id: int) -> None:
    """Say goodbye; when the database does not listen, the free lock says it as well."""
    try:
        with database.transaction() as session:
            worker = session.get(Worker, worker_id)
            if worker is not None:
                worker.stopped_at = time.time()
                note(session, None, "worker", f"worker of {worker.device} left (pid {worker.pid})")
    except DatabaseError:
        pass


def beat(
    database: Database,
    worker_id: int,
    reading: DeviceReading,
    attempt: Held | None,
    elapsed: float,
    resident: int | None,
) -> None:
    """The heartbeat: device readings, the attempt's seconds and memory, in one transaction."""
    now = time.time()
    values = {
        "used": reading.used, "total": reading.total, "utilization": reading.utilization,
        "temperature": reading.temperature, "power": reading.power, "now": now,
    }  # fmt: skip
    with database.transaction() as session:
        connection = session.connection()
        connection.execute(
            text(
                "UPDATE worker SET heartbeat_at = :now, device_used = :used, device_total = :total,"
                " utilization = :utilization, temperature = :temperature, power = :power WHERE id = :id"
            ),
            values | {"id": worker_id},
        )
        if attempt is None or not mine(
            connection, attempt, "elapsed_seconds = elapsed_seconds + :elapsed", elapsed=elapsed
        ):
            return
        connection.execute(
            text(
                "INSERT OR REPLACE INTO sample"
                " (job_id, at, resident, device_used, device_total, utilization, temperature, power)"
                " VALUES (:job, max(:now, 0.001 + coalesce((SELECT max(at) FROM sample WHERE job_id = :job), 0)),"
                " :resident, :used, :total, :utilization, :temperature, :power)"
            ),
            values | {"job": attempt.job_id, "resident": resident},
        )


def wishes(reader: sqlite3.Connection, worker_id: int, attempt: Held | None) -> Wishes:
    """What is asked, read without the write lock."""
    row = reader.execute("SELECT stop_requested FROM worker WHERE id = ?", (worker_id,)).fetchone()
    stop = int(row[0]) if row is not None else 0
    if attempt is None:
        return Wishes(stop)
    query = "SELECT cancel_requested, pause_requested, token FROM job WHERE id = ?"
    row = reader.execute(query, (attempt.job_id,)).fetchone()
    if row is None or row[2] != attempt.token:
        return Wishes(stop, mine=False)
    return Wishes(stop, cancel=row[0], pause=row[1])
