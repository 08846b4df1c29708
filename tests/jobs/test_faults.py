"""When the ground gives way: no room, no permission, a lost journal, a clock that jumps."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from db import records
from jobs.claims import claim, finish
from jobs.ending import End, Ending, of_exit, read_ending, write_ending
from jobs.failures import of_error
from jobs.ladder import Graces, Ladder, Rung, Want
from jobs.liveness import is_alive, process_start
from jobs.queue import Queue
from recipes.errors import DatabaseError, DataError, HomeError
from recipes.home import Home
from recipes.recipe import Recipe
from tests.jobs.conftest import ROOT, StartWorker, doing, kill, left_over, until, until_step


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


def test_an_ending_is_whole_or_absent_and_belongs_to_its_attempt(tmp_path: Path) -> None:
    assert read_ending(tmp_path, "a") is None
    ending = Ending(End.FAILED, kind="data", message="no images", hint="look")
    write_ending(tmp_path, "a", ending)
    assert read_ending(tmp_path, "a") == ending
    assert read_ending(tmp_path, "b") is None
    (tmp_path / "ending.json").write_text('{"token": "a", "end": "suc')
    assert read_ending(tmp_path, "a") is None


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [(-9, "killed", "SIGKILL"), (-11, "killed", "SIGSEGV"), (-99, "killed", "signal 99"), (3, "error", "exit code 3"),
     (None, "killed", "disappeared")],
)  # fmt: skip
def test_an_exit_without_a_word_is_named(code: int | None, kind: str, message: str) -> None:
    ending = of_exit(code)
    assert (ending.end, ending.kind) == (End.DIED, kind)
    assert message in (ending.message or "")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (DataError("no images", "look"), "data"),
        (HomeError("no home"), "configuration"),
        (MemoryError(), "out_of_memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate"), "out_of_memory"),
        (RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed."), "out_of_memory"),
        (OSError(28, "No space left on device"), "disk_full"),
        (RuntimeError("CUDA error: unspecified launch failure"), "device_lost"),
        (ValueError("what"), "error"),
    ],
)
def test_an_exception_becomes_a_kind_with_a_message(error: Exception, kind: str) -> None:
    ending = of_error(error)
    assert (ending.end, ending.kind) == (End.FAILED, kind)
    assert ending.message


def test_the_ladder_waits_on_every_rung_and_never_steps_down() -> None:
    ladder = Ladder(Graces(asked=10.0, term=5.0))
    steps = [ladder.step(Want.LEAVE, now) for now in (0.0, 9.0, 10.0, 14.0, 15.0, 99.0)]
    assert steps == [Rung.ASKED, None, Rung.TERM, None, Rung.KILL, None]
    assert Ladder(Graces()).step(Want.LEAVE_NOW, 0.0) == Rung.TERM
    assert Ladder(Graces()).step(Want.DIE, 0.0) == Rung.KILL
    assert Ladder(Graces()).step(Want.GO_ON, 0.0) is None


MOMENTS = int(os.environ.get("CLF_MOMENTS", "4"))  # 50 for the whole claim


@pytest.mark.parametrize("moment", range(MOMENTS))
def test_a_signal_at_any_moment_leaves_a_true_state_and_no_process(
    home: Home, queue: Queue, start_worker: StartWorker, moment: int
) -> None:
    """From the start of the worker to the end of the run; the queue's word is compared with the checkpoint."""
    chance = random.Random(moment)
    job_id = queue.enqueue(doing("steps 30 slow"))
    worker = start_worker()
    reader = records.connect(home.database)
    if chance.random() < 0.3:
        until(lambda: records.workers(reader), "the worker at its post")
    else:
        until_step(reader, job_id, 1)
    time.sleep(chance.uniform(0.0, 1.5))
    kill(worker.pid, chance.choice([signal.SIGTERM, signal.SIGINT, signal.SIGHUP]))
    assert worker.wait(timeout=30) in (0, 130)
    job = records.job(reader, job_id)
    assert reader.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    reader.close()
    assert left_over(home) == []
    assert job.state in ("queued", "succeeded")
    file = Path(job.run_dir or home.root) / "last_checkpoint.pt"
    if job.state == "queued" and file.exists():
        assert int(file.read_text()) == job.checkpoint_step
