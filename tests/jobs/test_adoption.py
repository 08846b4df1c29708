"""A worker that is gone, a process that sleeps, a machine that was restarted: who is alive and who is not."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest

from db import records
from db.records import JobRecord
from jobs.liveness import process_start
from jobs.queue import Queue
from tests.jobs.conftest import (
    StartWorker,
    checkpoint,
    doing,
    kill,
    kinds,
    open_gate,
    suspend,
    until,
    until_state,
    until_step,
)


class Abandon(Protocol):
    def __call__(self, what: str, step: int = ..., *, also: int | None = ...) -> JobRecord: ...


Adopt = Callable[[JobRecord], JobRecord]


@pytest.fixture
def abandon(queue: Queue, reader: sqlite3.Connection, start_worker: StartWorker) -> Abandon:
    """``abandon("steps 60 gate 3", 3)``: that job, its worker killed after step 3, and its child left to itself.

    The child is sent the signal `also` right after.
    """

    def go(what: str, step: int = 3, *, also: int | None = None) -> JobRecord:
        job_id = queue.enqueue(doing(what))
        worker = start_worker()
        job = until_step(reader, job_id, step)
        kill(worker.pid)
        if also is signal.SIGSTOP:
            suspend(queue, job.pid)
        elif also is not None:
            kill(job.pid, also)
        worker.wait()
        return job

    return go


@pytest.fixture
def adopt(reader: sqlite3.Connection, start_worker: StartWorker) -> Adopt:
    """Start the next worker; the job once it was adopted, still run by the same process."""

    def go(abandoned: JobRecord) -> JobRecord:
        start_worker()
        until(lambda: "adopted" in kinds(reader, abandoned.id), "the adoption")
        job = records.job(reader, abandoned.id)
        assert (job.pid, job.pid_started, job.attempt) == (abandoned.pid, abandoned.pid_started, 1)
        return job

    return go


def test_a_child_outlives_its_worker_and_the_next_worker_records_its_end(
    reader: sqlite3.Connection, abandon: Abandon, adopt: Adopt
) -> None:
    job = abandon("steps 60 gate 3")
    open_gate(job, 8)
    until_step(reader, job.id, 8)
    adopt(job)
    open_gate(job)
    job = until_state(reader, job.id, "succeeded", "failed", "queued")
    assert (job.state, job.attempt, job.outcome) == ("succeeded", 1, "completed")


def test_an_adopted_child_can_be_cancelled(
    queue: Queue, reader: sqlite3.Connection, abandon: Abandon, adopt: Adopt
) -> None:
    job = adopt(abandon("steps 60 gate 3"))
    queue.cancel(job.id)
    job = until_state(reader, job.id, "cancelled")
    assert checkpoint(reader, job.id) == job.step


def test_a_child_without_a_worker_records_its_own_end(reader: sqlite3.Connection, abandon: Abandon) -> None:
    job = abandon("steps 30 gate 3")
    open_gate(job)
    job = until_state(reader, job.id, "succeeded")
    assert (job.outcome, job.test_accuracy) == ("completed", 0.75)


def test_worker_and_child_killed_together_are_recovered_by_the_next_worker(
    reader: sqlite3.Connection, abandon: Abandon, start_worker: StartWorker
) -> None:
    job = abandon("steps 40 gate 8", 8, also=signal.SIGKILL)
    open_gate(job)
    start_worker("child_steps.py", "--drain").wait()
    job = records.job(reader, job.id)
    assert (job.state, job.attempt, job.step) == ("succeeded", 2, 40)


def test_a_suspended_child_is_not_stolen(queue: Queue, reader: sqlite3.Connection, start_worker: StartWorker) -> None:
    job_id = queue.enqueue(doing("steps 80 slow", stall_timeout=5.0))
    start_worker()
    job = until_step(reader, job_id, 3)
    suspend(queue, job.pid)
    time.sleep(7.5)
    assert (records.job(reader, job_id).state, records.job(reader, job_id).attempt) == ("running", 1)
    kill(job.pid, signal.SIGCONT)
    assert until_state(reader, job_id, "succeeded", "failed", "queued").attempt == 1


def test_the_job_of_a_suspended_worker_is_not_stolen(
    queue: Queue, reader: sqlite3.Connection, start_worker: StartWorker
) -> None:
    """Its heart has stopped, but it holds its lock; the worker of another device looks for abandoned jobs."""
    job_id = queue.enqueue(doing("steps 60 gate 3"))
    first = start_worker()
    until_step(reader, job_id, 3)
    suspend(queue, first.pid)
    start_worker("child_steps.py", "--device", "cuda:0")
    until(lambda: len(records.workers(reader)) == 2, "the other worker")
    time.sleep(4.5)  # it looks every two seconds
    job = records.job(reader, job_id)
    assert (job.state, job.attempt, job.device) == ("running", 1, "cpu")
    kill(first.pid, signal.SIGCONT)
    open_gate(job)
    assert until_state(reader, job_id, "succeeded", "failed", "queued").attempt == 1
    assert kinds(reader, job_id).count("succeeded") == 1


def test_a_suspended_child_without_a_worker_is_adopted_and_not_replaced(
    reader: sqlite3.Connection, abandon: Abandon, adopt: Adopt
) -> None:
    child = adopt(abandon("steps 40 gate 3", also=signal.SIGSTOP))
    time.sleep(2.5)
    job = records.job(reader, child.id)
    assert (job.state, job.attempt, job.pid) == ("running", 1, child.pid)
    kill(child.pid, signal.SIGCONT)
    open_gate(child)
    assert until_state(reader, child.id, "succeeded", "failed", "queued").attempt == 1


def test_after_a_restart_of_the_machine_a_recycled_pid_is_not_mistaken_for_the_child(
    queue: Queue, reader: sqlite3.Connection, abandon: Abandon, start_worker: StartWorker
) -> None:
    abandoned = abandon("steps 40 gate 8", 8, also=signal.SIGKILL)
    open_gate(abandoned)
    # as after a restart: our own pid, recycled, started as long after the boot
    with queue.database.transaction() as session:
        session.connection().exec_driver_sql("UPDATE worker SET boot_id = 'yesterday'")
        session.connection().exec_driver_sql(
            "UPDATE job SET pid = ?, pid_started = ?", (os.getpid(), process_start(os.getpid()))
        )
    start_worker("child_steps.py", "--drain").wait()
    job = records.job(reader, abandoned.id)
    assert (job.state, job.attempt) == ("succeeded", 2)
    assert "the machine was restarted" in [event.message for event in records.events(reader, job.id)]


def test_a_stale_child_changes_nothing(queue: Queue, reader: sqlite3.Connection, start_worker: StartWorker) -> None:
    """The attempt sleeps while its job is given to another; awake again, it finds itself replaced and leaves."""
    job_id = queue.enqueue(doing("steps 400 slow"))
    worker = start_worker()
    child = until_step(reader, job_id, 3)
    suspend(queue, worker.pid, child.pid)
    with queue.database.transaction() as session:
        session.connection().exec_driver_sql("UPDATE job SET attempt = 9, token = 'another', step = 1234")
    kill(child.pid, signal.SIGCONT)
    until(lambda: not _exists(child.pid), "the stale child to leave")
    job = records.job(reader, job_id)
    assert (job.state, job.attempt, job.step, job.token) == ("running", 9, 1234, "another")


def _exists(pid: int | None) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
