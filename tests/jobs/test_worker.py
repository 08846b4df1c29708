"""A worker and its queue: worked off in order, one worker for each device, cheap while it waits."""

from __future__ import annotations

import signal
import sqlite3
import time
from pathlib import Path

import psutil

from db import records
from jobs.liveness import live_workers
from jobs.queue import Queue
from recipes.home import Home
from tests.jobs.conftest import (
    StartWorker,
    doing,
    kill,
    suspend,
    until,
    until_state,
)


def test_a_queue_is_worked_off_in_order_and_a_failure_stops_nothing(
    queue: Queue, reader: sqlite3.Connection, start_worker: StartWorker
) -> None:
    good, bad, last = (queue.enqueue(doing(what)) for what in ("steps 10", "fail", "steps 5"))
    assert start_worker("child_steps.py", "--drain").wait() == 0
    assert [records.job(reader, job_id).state for job_id in (good, bad, last)] == ["succeeded", "failed", "succeeded"]
    job = records.job(reader, bad)
    assert (job.failure_kind, job.failure_message, job.failure_hint) == (
        "configuration", "no such model", "choose another",
    )  # fmt: skip
    done = records.job(reader, good)
    assert (done.outcome, done.step, done.epoch, done.test_accuracy, done.best_accuracy) == (
        "completed",
        10,
        2,
        0.75,
        1.0,
    )
    assert records.series(reader, good, "val", "accuracy").ys == (0.5, 1.0)
    assert len(records.series(reader, good, "step", "loss").xs) == 10
    assert done.elapsed_seconds > 0


def test_a_traceback_and_everything_printed_is_in_the_log(
    queue: Queue, reader: sqlite3.Connection, start_worker: StartWorker
) -> None:
    job_id = queue.enqueue(doing("print"))
    start_worker("child_steps.py", "--drain").wait()
    job = records.job(reader, job_id)
    assert (job.failure_kind, job.failure_message) == ("error", "RuntimeError: deep down")
    log = (Path(job.run_dir or "") / "training.log").read_text()
    assert "a line from the training" in log
    assert "Traceback" in log
    assert "raise_deep" in log


def test_a_second_worker_on_the_device_is_refused_with_the_pid_of_the_first(
    home: Home, queue: Queue, start_worker: StartWorker
) -> None:
    first = start_worker()
    until(lambda: live_workers(home))
    assert [worker.pid for worker in live_workers(home)] == [first.pid]
    suspend(queue, first.pid)  # asleep is not dead
    assert start_worker().wait() == 1
    assert f"cpu already has a worker (pid {first.pid})" in (home.root / "worker.out").read_text()
    kill(first.pid, signal.SIGCONT)
    kill(first.pid, signal.SIGTERM)
    assert first.wait() == 0
    assert live_workers(home) == []


def test_a_waiting_worker_is_small_and_notices_a_job(
    home: Home, queue: Queue, reader: sqlite3.Connection, start_worker: StartWorker
) -> None:
    worker = start_worker("child_fast.py")
    until(lambda: live_workers(home))
    process = psutil.Process(worker.pid)
    time.sleep(1.0)
    before = sum(process.cpu_times()[:2])
    time.sleep(4.0)
    assert sum(process.cpu_times()[:2]) - before <= 0.1  # ticks of 10 ms; the full measurement is a benchmark
    assert process.memory_info().rss < 80e6
    until_state(reader, queue.enqueue(doing("steps 5")), "succeeded")
