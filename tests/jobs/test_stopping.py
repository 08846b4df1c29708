"""Being asked to leave: cancel, pause, signals, a terminal that vanishes; asked once, and asked twice."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import sys
import time
from pathlib import Path

import pytest

from db import records
from jobs.ladder import Graces, Ladder, Rung, Want
from jobs.queue import Queue
from recipes.home import Home
from tests.jobs.conftest import (
    PATIENCE,
    SLOW,
    StartWorker,
    checkpoint,
    doing,
    kill,
    left_over,
    until,
    until_state,
    until_step,
)


def test_a_cancelled_run_leaves_after_a_checkpoint(
    queue: Queue, reader: sqlite3.Connection, start_worker: StartWorker
) -> None:
    job_id = queue.enqueue(doing(SLOW))
    start_worker()
    until_step(reader, job_id, 3)
    queue.cancel(job_id)
    until(lambda: records.job(reader, job_id).stop_stage == "asked" or records.job(reader, job_id).finished_at)
    job = until_state(reader, job_id, "cancelled")
    assert checkpoint(reader, job_id) == job.step
    assert (job.stop_stage, job.cancel_requested, job.pid) == (None, 0, None)


def test_cancel_now_kills(home: Home, queue: Queue, reader: sqlite3.Connection, start_worker: StartWorker) -> None:
    job_id = queue.enqueue(doing(SLOW))
    start_worker()
    child = until_step(reader, job_id, 2)
    queue.cancel(job_id, now=True)
    until_state(reader, job_id, "cancelled")
    assert child.pid not in [process.pid for process in left_over(home)]


def test_a_paused_run_gives_the_device_back_and_continues_later(
    queue: Queue, reader: sqlite3.Connection, start_worker: StartWorker
) -> None:
    job_id, other = queue.enqueue(doing("steps 40 slow")), queue.enqueue(doing("steps 5"))
    start_worker()
    until_step(reader, job_id, 3)
    queue.pause(job_id)
    until_state(reader, job_id, "paused")
    until_state(reader, other, "succeeded")
    paused_at = checkpoint(reader, job_id)
    queue.resume(job_id)
    job = until_state(reader, job_id, "succeeded")
    assert (job.step, job.attempt) == (40, 2)
    begun = [event.message for event in records.events(reader, job_id) if event.kind == "training"]
    assert begun[1].endswith(f"step {paused_at}")


def test_a_child_that_does_not_listen_is_climbed_upon(
    queue: Queue, reader: sqlite3.Connection, start_worker: StartWorker
) -> None:
    job_id = queue.enqueue(doing("steps 10 stall 3", stall_timeout=0.0))
    start_worker("child_steps.py", "--grace", "0.5")
    until_step(reader, job_id, 2)
    queue.cancel(job_id)
    until_state(reader, job_id, "cancelled")
    rungs = [event.message for event in records.events(reader, job_id) if event.kind == "stop"]
    assert rungs == ["stopping: asked", "stopping: SIGTERM", "stopping: SIGKILL"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_the_worker_means_checkpoint_and_leave(
    home: Home, queue: Queue, reader: sqlite3.Connection, start_worker: StartWorker, number: signal.Signals
) -> None:
    job_id = queue.enqueue(doing(SLOW))
    worker = start_worker()
    until_step(reader, job_id, 3)
    kill(worker.pid, number)
    assert worker.wait() == (130 if number == signal.SIGINT else 0)
    job = records.job(reader, job_id)
    assert (job.state, job.attempt, job.crashes) == ("queued", 1, 0)
    assert checkpoint(reader, job_id) == job.step
    assert left_over(home) == []
    assert records.workers(reader) == []


def test_a_second_signal_to_the_worker_ends_at_once(
    home: Home, queue: Queue, reader: sqlite3.Connection, start_worker: StartWorker
) -> None:
    job_id = queue.enqueue(doing("steps 10 stall 3", stall_timeout=0.0))
    worker = start_worker("child_steps.py", "--grace", "3600")
    until_step(reader, job_id, 2)
    kill(worker.pid, signal.SIGTERM)
    until(lambda: records.job(reader, job_id).stop_stage == "SIGTERM")
    kill(worker.pid, signal.SIGTERM)
    assert worker.wait() == 0
    assert records.job(reader, job_id).state == "queued"
    assert left_over(home) == []


@pytest.mark.parametrize("wish", ["SIGTERM", "cancel"])
def test_a_wish_before_the_first_step_needs_no_step_to_be_granted(
    home: Home, queue: Queue, reader: sqlite3.Connection, start_worker: StartWorker, wish: str
) -> None:
    """Importing torch or fetching weights takes minutes at worst, and asks nobody."""
    job_id = queue.enqueue(doing("import"))
    worker = start_worker("child_steps.py", "--grace", "3600")
    until(lambda: records.job(reader, job_id).phase == "preparing")
    if wish == "cancel":
        queue.cancel(job_id)
        until_state(reader, job_id, "cancelled")
        return
    kill(worker.pid, signal.SIGTERM)
    assert worker.wait(PATIENCE) == 0
    job = records.job(reader, job_id)
    assert (job.state, job.crashes, left_over(home)) == ("queued", 0, [])
    assert "left before the first step, on SIGTERM" in [event.message for event in records.events(reader, job_id)]


@pytest.mark.skipif(os.name == "nt", reason="pseudo-terminals of POSIX")
def test_a_terminal_that_is_killed_means_checkpoint_and_leave(
    home: Home, queue: Queue, reader: sqlite3.Connection, start_worker: StartWorker
) -> None:
    """The worker sits in a real pseudo-terminal, and the process that drew it dies."""
    job_id = queue.enqueue(doing(SLOW))
    terminal = start_worker(within=[sys.executable, "-c", "import pty, sys; pty.spawn(sys.argv[1:])"])
    until_step(reader, job_id, 3)
    kill(terminal.pid)
    terminal.wait()
    until(lambda: not left_over(home), "worker and child to leave")
    job = records.job(reader, job_id)
    assert (job.state, job.attempt, job.crashes) == ("queued", 1, 0)
    assert checkpoint(reader, job_id) == job.step
    assert records.workers(reader) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_child_means_checkpoint_and_leave(
    queue: Queue, reader: sqlite3.Connection, start_worker: StartWorker, number: signal.Signals
) -> None:
    job_id = queue.enqueue(doing("steps 40 slow"))
    start_worker()
    kill(until_step(reader, job_id, 3).pid, number)
    job = until_state(reader, job_id, "succeeded")
    assert (job.attempt, job.crashes) == (2, 0)
    assert f"left after a checkpoint, on {number.name}" in [e.message for e in records.events(reader, job_id)]


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
    assert worker.wait(PATIENCE) in (0, 130)
    job = records.job(reader, job_id)
    assert reader.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    reader.close()
    assert left_over(home) == []
    assert job.state in ("queued", "succeeded")
    file = Path(job.run_dir or home.root) / "last_checkpoint.pt"
    if job.state == "queued" and file.exists():
        assert int(file.read_text()) == job.checkpoint_step
