"""A clock that is set a day forward or back, between two looks and in the middle of a run."""

from __future__ import annotations

import itertools
import os
import signal
import sqlite3
import sys
import time
from pathlib import Path
from sqlite3 import Connection

import pytest

from db import records
from jobs.claims import claim, finish
from jobs.ending import End, Ending
from jobs.liveness import is_alive, process_start
from jobs.queue import Queue
from recipes.recipe import Recipe
from tests.jobs.conftest import (
    DONE,
    MEMORY,
    StartWorker,
    doing,
    kill,
    kinds,
    taken,
    until_state,
    until_step,
)
from tui import states

DAY = 86_400


@pytest.mark.parametrize("day", [-86_400.0, 86_400.0])
def test_a_clock_that_jumps_a_day_steals_nothing(
    queue: Queue, recipe: Recipe, monkeypatch: pytest.MonkeyPatch, day: float
) -> None:
    job_id = queue.enqueue(recipe, retries=1)
    held = claim(queue.database, queue.home, 1, "cpu")
    assert held is not None
    started = process_start(os.getpid())
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + day)
    assert started is not None
    assert is_alive(os.getpid(), started)
    assert claim(queue.database, queue.home, 2, "cuda:0") is None
    assert finish(queue.database, held, Ending(End.SUCCEEDED, outcome="completed")) == "succeeded"
    reader = records.connect(queue.home.database)
    job = records.job(reader, job_id)
    reader.close()
    assert job.finished_at is not None
    assert job.started_at is not None
    assert job.finished_at >= job.started_at


def test_the_start_of_a_process_does_not_move_with_the_clock() -> None:
    """Linux counts from the boot; a figure in wall time would change with it."""
    started = process_start(os.getpid())
    assert started is not None
    assert is_alive(os.getpid(), started)
    assert not is_alive(os.getpid(), started + 10.0)
    if sys.platform == "linux":
        assert started < float(Path("/proc/uptime").read_text().split()[0])


def test_a_clock_set_back_a_day_neither_holds_a_retry_nor_makes_a_negative_duration(
    queue: Queue, reader: Connection, recipe: Recipe
) -> None:
    job_id = queue.enqueue(recipe, retries=1)
    finish(queue.database, taken(queue), MEMORY)
    with queue.database.transaction() as session:
        session.connection().exec_driver_sql(
            "UPDATE job SET retry_at = retry_at + 86400,"
            " started_at = started_at + 86400, created_at = created_at + 86400"
        )
    assert finish(queue.database, taken(queue), DONE) == "succeeded"
    job = records.job(reader, job_id)
    assert job.finished_at is not None
    assert job.started_at is not None
    assert job.finished_at >= job.started_at >= job.created_at


@pytest.mark.parametrize("day", [-DAY, DAY])
def test_a_clock_that_is_set_in_the_middle_of_a_run_changes_only_what_it_shows(
    queue: Queue, reader: sqlite3.Connection, start_worker: StartWorker, day: int
) -> None:
    job_id = queue.enqueue(doing(f"steps 60 slow jump {day}"))
    worker = start_worker("child_steps.py", "--drain", "--jump", str(day))
    until_step(reader, job_id, 3)
    kill(worker.pid, signal.SIGUSR2)
    other = start_worker("child_steps.py", "--device", "cuda:0", "--jump", str(day))
    kill(worker.pid, 0)
    job = until_step(reader, job_id, 12)
    for now in (time.time(), time.time() + day):
        assert states.remaining(job, now) == pytest.approx(job.eta_seconds, abs=60.0)
    job = until_state(reader, job_id, "succeeded", "failed", "queued")
    assert (job.state, job.attempt, job.step) == ("succeeded", 1, 60)
    assert other.poll() is None
    assert "adopted" not in kinds(reader, job_id)
    assert job.started_at is not None
    assert job.finished_at is not None
    assert job.created_at <= job.started_at <= job.finished_at
    assert 0.0 < job.elapsed_seconds < 600.0
    for table in ("metric WHERE split = 'step' AND name = 'loss'", "sample WHERE TRUE"):
        times = [row[0] for row in reader.execute(f"SELECT at FROM {table} AND job_id = {job_id} ORDER BY at")]
        assert all(earlier < later for earlier, later in itertools.pairwise(times))
    steps = reader.execute("SELECT at FROM metric WHERE split = 'step' AND name = 'loss' ORDER BY step").fetchall()
    assert 0.0 < steps[-1][0] - steps[0][0] < 600.0  # the child counts on from the hour it began
