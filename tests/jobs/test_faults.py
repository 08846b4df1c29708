"""When the ground gives way: no room, no permission, a lost journal, a locked database, a clock that jumps."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from db import records
from jobs.claims import claim, finish
from jobs.ending import End, Ending
from jobs.liveness import is_alive, process_start
from jobs.queue import Queue
from recipes.errors import DatabaseError, HomeError
from recipes.home import Home
from recipes.recipe import Recipe
from tests.jobs.conftest import (
    ROOT,
    StartWorker,
    doing,
    until_state,
    until_step,
)


def test_a_database_locked_for_a_while_loses_nothing(
    home: Home, queue: Queue, reader: sqlite3.Connection, start_worker: StartWorker
) -> None:
    job_id = queue.enqueue(doing("steps 20 slow"))
    worker = start_worker("child_steps.py", "--drain")
    until_step(reader, job_id, 3)
    holder = sqlite3.connect(home.database, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    time.sleep(float(os.environ.get("CLF_LOCK_SECONDS", "2")))
    assert worker.poll() is None
    holder.execute("ROLLBACK")
    holder.close()
    job = until_state(reader, job_id, "succeeded", "failed")
    assert (job.state, job.attempt, job.step) == ("succeeded", 1, 20)
    assert len(records.series(reader, job_id, "step", "loss").xs) == 20


def test_a_full_disk_is_a_clear_message_and_loses_nothing(queue: Queue, recipe: Recipe) -> None:
    job_id = queue.enqueue(recipe)
    with queue.database.transaction() as session:
        pages = session.connection().exec_driver_sql("PRAGMA page_count").scalar_one()
        session.connection().exec_driver_sql(f"PRAGMA max_page_count = {pages}")  # SQLite's own "disk is full"

    def fill() -> None:
        for _ in range(100):
            queue.enqueue(recipe, name="x" * 1000)

    with pytest.raises(DatabaseError, match="the disk is full"):
        fill()
    with queue.database.transaction() as session:
        session.connection().exec_driver_sql("PRAGMA max_page_count = 1000000")
    reader = records.connect(queue.home.database)
    assert job_id in [job.id for job in records.jobs(reader)]
    reader.close()
    assert queue.enqueue(recipe) > job_id


def test_a_read_only_home_is_a_clear_message(home: Home, recipe: Recipe) -> None:
    Queue(home).close()
    home.root.chmod(0o500)
    try:
        if os.access(home.root, os.W_OK):
            pytest.skip("this user may write everywhere")
        with pytest.raises(HomeError, match="cannot write"):
            Queue(home).enqueue(recipe)
        assert records.jobs(records.connect(home.database)) == []
    finally:
        home.root.chmod(0o700)


def test_a_home_below_a_file_is_a_clear_message(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HomeError, match="cannot write"):
        Queue(Home(tmp_path / "file" / "home"))


def test_what_was_acknowledged_survives_a_client_killed_without_closing(home: Home) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from jobs.queue import Queue; from recipes.home import Home; from recipes.recipe import Recipe\n"
        f"queue = Queue(Home(Path({str(home.root)!r})))\n"
        "print(queue.enqueue(Recipe.model_validate({'name': 'a'})), flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    reader = records.connect(home.database)
    assert [job.id for job in records.jobs(reader)] == [int(done.stdout)]
    reader.close()


def test_a_deleted_wal_costs_at_most_what_it_held(home: Home, recipe: Recipe) -> None:
    queue = Queue(home)
    first = queue.enqueue(recipe)
    queue.close()  # the last one to leave writes the WAL back
    for name in ("clf.db-wal", "clf.db-shm"):
        (home.root / name).unlink(missing_ok=True)
    queue = Queue(home)
    assert queue.enqueue(recipe) > first
    reader = records.connect(home.database)
    assert reader.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    reader.close()
    queue.close()


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
