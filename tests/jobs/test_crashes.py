"""A child that crashes, stalls, or is killed: tried again from its checkpoint, and given up in the end."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from db import records
from jobs.queue import Queue
from tests.jobs.conftest import (
    StartWorker,
    doing,
    kill,
    until,
    until_state,
    until_step,
)


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


def test_a_stalled_run_leaves_its_stacks_in_the_log_and_ends(
    queue: Queue, reader: sqlite3.Connection, start_worker: StartWorker
) -> None:
    job_id = queue.enqueue(doing("steps 10 stall 3", stall_timeout=1.0))
    start_worker("child_steps.py", "--drain").wait()
    job = records.job(reader, job_id)
    assert (job.state, job.failure_kind) == ("failed", "stalled")
    assert "misbehave" in (Path(job.run_dir or "") / "training.log").read_text()
