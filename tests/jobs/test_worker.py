"""What happens when a worker or its child is asked, stopped, or killed: real processes, a stand-in for the training."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from pathlib import Path

import pytest

from db import records
from jobs.liveness import live_workers
from jobs.queue import Queue
from recipes.home import Home
from tests.jobs.conftest import StartWorker, doing, kill, left_over, until, until_state, until_step

SLOW = "steps 300 slow"


def kinds(reader: sqlite3.Connection, job_id: int) -> list[str]:
    return [event.kind for event in records.events(reader, job_id)]


def checkpoint(reader: sqlite3.Connection, job_id: int) -> int:
    run_dir = records.job(reader, job_id).run_dir
    assert run_dir is not None
    return int((Path(run_dir) / "last_checkpoint.pt").read_text())


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
    home: Home, start_worker: StartWorker
) -> None:
    first = start_worker()
    until(lambda: live_workers(home))
    assert [worker.pid for worker in live_workers(home)] == [first.pid]
    time.sleep(0.5)  # until it waits, and holds no lock of the database
    kill(first.pid, signal.SIGSTOP)  # asleep is not dead
    assert start_worker().wait() == 1
    assert f"cpu already has a worker (pid {first.pid})" in (home.root / "worker.out").read_text()
    kill(first.pid, signal.SIGCONT)
    kill(first.pid, signal.SIGTERM)
    assert first.wait() == 0
    assert live_workers(home) == []


def test_a_killed_child_goes_on_from_its_checkpoint_and_the_queue_goes_on(
    queue: Queue, reader: sqlite3.Connection, start_worker: StartWorker
) -> None:
    job_id, after = queue.enqueue(doing("steps 40 slow")), queue.enqueue(doing("steps 5"))
    start_worker("child_steps.py")
    job = until_step(reader, job_id, 8)
    kill(job.pid)
    until(lambda: records.job(reader, job_id).attempt == 2, "the second attempt")
    assert until_state(reader, job_id, "succeeded").step == 40
    assert until_state(reader, after, "succeeded").attempt == 1
    begun = [event.message for event in records.events(reader, job_id) if event.kind == "training"]
    assert "from epoch" in begun[1]
    assert records.series(reader, job_id, "val", "accuracy").xs == tuple(map(float, range(1, 9)))  # none lost
    assert "killed by SIGKILL" in " ".join(event.message for event in records.events(reader, job_id))


def test_a_job_that_always_kills_its_process_fails_with_the_signal_named(
    queue: Queue, reader: sqlite3.Connection, start_worker: StartWorker
) -> None:
    job_id, after = queue.enqueue(doing("steps 20 forget")), queue.enqueue(doing("steps 5"))
    assert start_worker("child_steps.py", "--drain").wait() == 0
    job = records.job(reader, job_id)
    assert (job.state, job.failure_kind, job.attempt) == ("failed", "killed", 3)
    assert "SIGKILL" in (job.failure_message or "")
    assert records.job(reader, after).state == "succeeded"


def test_a_child_outlives_its_worker_and_the_next_worker_records_its_end(
    queue: Queue, reader: sqlite3.Connection, start_worker: StartWorker
) -> None:
    job_id = queue.enqueue(doing("steps 60 slow"))
    first = start_worker()
    child = until_step(reader, job_id, 3)
    kill(first.pid)
    first.wait()
    step = records.job(reader, job_id).step
    until_step(reader, job_id, step + 5)
    start_worker()
    until(lambda: "adopted" in kinds(reader, job_id), "the adoption")
    adopted = records.job(reader, job_id)
    assert (adopted.pid, adopted.pid_started, adopted.attempt) == (child.pid, child.pid_started, 1)
    job = until_state(reader, job_id, "succeeded", "failed", "queued")
    assert (job.state, job.attempt, job.outcome) == ("succeeded", 1, "completed")


def test_an_adopted_child_can_be_cancelled(queue: Queue, reader: sqlite3.Connection, start_worker: StartWorker) -> None:
    job_id = queue.enqueue(doing(SLOW))
    first = start_worker()
    until_step(reader, job_id, 3)
    kill(first.pid)
    first.wait()
    start_worker()
    until(lambda: "adopted" in kinds(reader, job_id), "the adoption")
    queue.cancel(job_id)
    job = until_state(reader, job_id, "cancelled")
    assert checkpoint(reader, job_id) == job.step


def test_a_child_without_a_worker_records_its_own_end(
    queue: Queue, reader: sqlite3.Connection, start_worker: StartWorker
) -> None:
    job_id = queue.enqueue(doing("steps 30 slow"))
    worker = start_worker()
    until_step(reader, job_id, 3)
    kill(worker.pid)
    worker.wait()
    job = until_state(reader, job_id, "succeeded")
    assert (job.outcome, job.test_accuracy) == ("completed", 0.75)


def test_worker_and_child_killed_together_are_recovered_by_the_next_worker(
    queue: Queue, reader: sqlite3.Connection, start_worker: StartWorker
) -> None:
    job_id = queue.enqueue(doing("steps 40 slow"))
    worker = start_worker()
    job = until_step(reader, job_id, 8)
    kill(worker.pid)
    kill(job.pid)
    worker.wait()
    start_worker("child_steps.py", "--drain").wait()
    job = records.job(reader, job_id)
    assert (job.state, job.attempt, job.step) == ("succeeded", 2, 40)


def test_a_suspended_child_is_not_stolen(queue: Queue, reader: sqlite3.Connection, start_worker: StartWorker) -> None:
    job_id = queue.enqueue(doing("steps 30 slow", stall_timeout=1.0))
    start_worker()
    job = until_step(reader, job_id, 3)
    kill(job.pid, signal.SIGSTOP)
    time.sleep(2.5)
    assert (records.job(reader, job_id).state, records.job(reader, job_id).attempt) == ("running", 1)
    kill(job.pid, signal.SIGCONT)
    assert until_state(reader, job_id, "succeeded", "failed", "queued").attempt == 1


def test_after_a_restart_of_the_machine_a_recycled_pid_is_not_mistaken_for_the_child(
    queue: Queue, reader: sqlite3.Connection, start_worker: StartWorker
) -> None:
    job_id = queue.enqueue(doing("steps 40 slow"))
    worker = start_worker()
    child = until_step(reader, job_id, 8)
    kill(worker.pid)
    kill(child.pid)
    worker.wait()
    with queue.database.transaction() as session:  # as it would look after a restart: our own pid, recycled
        session.connection().exec_driver_sql("UPDATE worker SET boot_id = 'yesterday'")
        session.connection().exec_driver_sql(
            "UPDATE job SET pid = ?, pid_started = ?", (os.getpid(), records.job(reader, job_id).pid_started)
        )
    start_worker("child_steps.py", "--drain").wait()
    job = records.job(reader, job_id)
    assert (job.state, job.attempt) == ("succeeded", 2)
    assert "the machine was restarted" in [event.message for event in records.events(reader, job_id)]


def test_a_stalled_run_leaves_its_stacks_in_the_log_and_ends(
    queue: Queue, reader: sqlite3.Connection, start_worker: StartWorker
) -> None:
    job_id = queue.enqueue(doing("steps 10 stall 3", stall_timeout=1.0))
    start_worker("child_steps.py", "--drain").wait()
    job = records.job(reader, job_id)
    assert (job.state, job.failure_kind) == ("failed", "stalled")
    assert "misbehave" in (Path(job.run_dir or "") / "training.log").read_text()


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


def test_a_stale_child_changes_nothing(queue: Queue, reader: sqlite3.Connection, start_worker: StartWorker) -> None:
    """The attempt sleeps while its job is given to another; awake again, it finds itself replaced and leaves."""
    job_id = queue.enqueue(doing("steps 400 slow"))
    worker = start_worker()
    child = until_step(reader, job_id, 3)
    kill(worker.pid, signal.SIGSTOP)
    kill(child.pid, signal.SIGSTOP)
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


def test_a_waiting_worker_is_small_and_notices_a_job(
    home: Home, queue: Queue, reader: sqlite3.Connection, start_worker: StartWorker
) -> None:
    import psutil

    worker = start_worker("child_fast.py")
    until(lambda: live_workers(home))
    process = psutil.Process(worker.pid)
    time.sleep(1.0)
    before = sum(process.cpu_times()[:2])
    time.sleep(4.0)
    assert sum(process.cpu_times()[:2]) - before <= 0.1  # ticks of 10 ms; the full measurement is a benchmark
    assert process.memory_info().rss < 80e6
    until_state(reader, queue.enqueue(doing("steps 5")), "succeeded")
