"""A child that crashes, stalls, or is killed: tried again from its checkpoint, and given up in the end."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from db import records
from jobs import memory_kill
from jobs.memory_kill import CGROUPS, MemoryWatch
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


def memory_group(name: str, limit: int) -> Path | None:
    """A control group with at most `limit` bytes, where this user may make one."""
    version_2 = (CGROUPS / "cgroup.controllers").exists()
    group = CGROUPS / name if version_2 else CGROUPS / "memory" / name
    try:
        group.mkdir()
        (group / ("memory.max" if version_2 else "memory.limit_in_bytes")).write_text(str(limit))
    except OSError:
        return None
    return group


def test_a_child_the_kernel_kills_for_want_of_memory_is_named(
    queue: Queue, reader: sqlite3.Connection, start_worker: StartWorker
) -> None:
    """A real kill by the kernel, in a control group of 400 MB."""
    group = memory_group(f"clf-test-{os.getpid()}", 400_000_000)
    if group is None:
        pytest.skip("this user may make no control group for memory")
    job_id, after = queue.enqueue(doing("steps 100 hungry")), queue.enqueue(doing("steps 5"))
    inside = f'echo $$ > {group}/cgroup.procs && exec "$@"'
    try:
        assert start_worker("child_steps.py", "--drain", within=["sh", "-c", inside, "sh"]).wait() == 0
    finally:
        group.rmdir()
    job = records.job(reader, job_id)
    assert (job.state, job.failure_kind) == ("failed", "out_of_memory")
    assert "want of memory" in (job.failure_message or "")
    assert records.job(reader, after).state == "succeeded"


@pytest.mark.parametrize("group", ["0::/user.slice/a.scope", "0::/", "7:cpu,memory:/docker/1\n0::/x", "5:memory:/"])
def test_kills_for_want_of_memory_are_counted_in_both_versions_of_control_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group: str
) -> None:
    """What /proc and /sys look like elsewhere: version 2 and 1, on a machine and in a container."""
    version_1 = "memory" in group
    folder = tmp_path / ("memory" if version_1 else "user.slice/a.scope" if "slice" in group else "")
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / ("memory.oom_control" if version_1 else "memory.events")
    record.write_text("oom 3\noom_kill 2\n")
    monkeypatch.setattr(memory_kill, "CGROUPS", tmp_path)
    monkeypatch.setattr(memory_kill, "PROC", tmp_path / "proc")
    (tmp_path / "proc" / "17").mkdir(parents=True)
    (tmp_path / "proc" / "17" / "cgroup").write_text(group)
    watch = MemoryWatch(17)
    assert not watch.killed()
    record.write_text("oom 4\noom_kill 3\n")
    assert watch.killed()


def test_a_stalled_run_leaves_its_stacks_in_the_log_and_ends(
    queue: Queue, reader: sqlite3.Connection, start_worker: StartWorker
) -> None:
    job_id = queue.enqueue(doing("steps 10 stall 3", stall_timeout=1.0))
    start_worker("child_steps.py", "--drain").wait()
    job = records.job(reader, job_id)
    assert (job.state, job.failure_kind) == ("failed", "stalled")
    assert "misbehave" in (Path(job.run_dir or "") / "training.log").read_text()
