"""A full disk puts a job aside, and room on it lets the job go on; a kill for want of memory halves the micro-batch."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.checkpoint import LAST, load
from db import records
from jobs.child import spawn
from jobs.claims import Held, claim, finish
from jobs.ending import End, Ending
from jobs.ladder import Graces
from jobs.queue import Queue
from jobs.room import has_room, resume_with_room
from jobs.worker import work
from recipes.errors import FailureKind
from recipes.home import Home
from recipes.recipe import Recipe
from tests.jobs.conftest import until
from tests.jobs.test_run import tiny

FULL = Ending(End.FAILED, kind=FailureKind.DISK_FULL, message="no room to write last_checkpoint.pt")
STARVED = Ending(End.DIED, kind=FailureKind.OUT_OF_MEMORY, message="killed by the system for want of memory (SIGKILL)")


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the child too: on a busy machine threads that wait for each other take all the time."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def quick(**run: object) -> Recipe:
    recipe = tiny(channels_last=False, **run)
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"workers": 0, "samples": 40})})


def begun(queue: Queue) -> Held:
    held = claim(queue.database, queue.home, 1, "cpu")
    assert held is not None
    held.run_dir.mkdir(parents=True, exist_ok=True)
    return held


def test_a_full_disk_pauses_the_job_with_the_reason_until_there_is_room(
    queue: Queue, reader: sqlite3.Connection, recipe: Recipe
) -> None:
    job_id = queue.enqueue(recipe)
    held = begun(queue)
    largest = held.run_dir / "last_checkpoint.pt"
    with largest.open("wb") as file:
        file.truncate(shutil.disk_usage(held.run_dir).total)  # a file of holes: there can be no room for another
    assert finish(queue.database, held, FULL) == "paused"
    job = records.job(reader, job_id)
    assert "no room to write" in (job.message or "")
    assert "goes on by itself" in records.events(reader, job_id)[-1].message
    assert resume_with_room(queue.database, reader) == []
    os.truncate(largest, 1000)
    assert has_room(held.run_dir)
    assert resume_with_room(queue.database, reader) == [job_id]
    assert records.job(reader, job_id).state == "queued"


def test_a_job_that_a_person_paused_stays_paused(queue: Queue, reader: sqlite3.Connection, recipe: Recipe) -> None:
    job_id = queue.enqueue(recipe)
    finish(queue.database, begun(queue), FULL)
    queue.resume(job_id)
    queue.pause(job_id)
    assert resume_with_room(queue.database, reader) == []
    assert records.job(reader, job_id).state == "paused"


@pytest.fixture
def small_disk(home: Home) -> Iterator[Path]:
    """`home.runs` on a file system of 32 MB, where this user may mount one."""
    home.runs.mkdir(exist_ok=True)
    words = ["mount", "-t", "tmpfs", "-o", "size=32m", "clf-test", str(home.runs)]
    if shutil.which("mount") is None or subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("this user may mount no file system")
    yield home.runs
    subprocess.run(["umount", "-l", str(home.runs)], check=True)


@pytest.mark.slow
def test_a_training_whose_disk_fills_up_waits_and_then_goes_on_to_its_end(
    home: Home, queue: Queue, reader: sqlite3.Connection, small_disk: Path
) -> None:
    """A real full file system under a real training; the database lies on another one."""
    job_id = queue.enqueue(quick(epochs=8, checkpoint_every=1e-9))
    filler = small_disk / "filler"

    def fill() -> None:
        with filler.open("wb", buffering=0) as file:
            for size in (1 << 16, 1):
                try:
                    while file.write(b"x" * size):
                        pass
                except OSError:
                    continue

    def tick(_job: int | None) -> None:
        job = records.job(reader, job_id)
        if job.state == "running" and job.step > 0 and job.attempt == 1 and not filler.exists():
            fill()
        elif job.state == "paused" and filler.exists():
            content = load(Path(job.run_dir or "") / LAST)  # raises when it is not whole
            assert content["position"]["step"] > 0
            filler.unlink()
        elif job.state in ("succeeded", "failed"):
            os.kill(os.getpid(), signal.SIGTERM)

    work(home, device="cpu", on_tick=tick, graces=Graces(room=0.2))
    job = records.job(reader, job_id)
    assert (job.state, job.epoch, job.attempt) == ("succeeded", 8, 2), job.failure_message
    kinds = [event.kind for event in records.events(reader, job_id)]
    assert kinds.count("disk_full") == 1
    assert records.series(reader, job_id, "val", "accuracy").xs == tuple(float(epoch) for epoch in range(1, 9))


def test_a_kill_for_want_of_memory_is_tried_again_once_with_half_the_micro_batch(
    home: Home, queue: Queue, reader: sqlite3.Connection
) -> None:
    job_id = queue.enqueue(quick(device="cpu", epochs=1))
    assert finish(queue.database, begun(queue), STARVED) == "queued"
    assert "goes on with half the micro-batch" in records.events(reader, job_id)[-1].message
    assert work(home, device="cpu", only=job_id) == 0
    job = records.job(reader, job_id)
    assert job.state == "succeeded", job.failure_message
    assert load(Path(job.run_dir or "") / LAST)["micro_batch"] == 10
    told = [event.message for event in records.events(reader, job_id) if event.kind == "out_of_memory"]
    assert "micro-batch 20 -> 10" in told[0]
    assert "BatchNorm" in told[0]


def test_a_second_kill_for_want_of_memory_fails_the_job(
    queue: Queue, reader: sqlite3.Connection, recipe: Recipe
) -> None:
    job_id = queue.enqueue(recipe)
    states = [finish(queue.database, begun(queue), STARVED) for _ in range(2)]
    assert states == ["queued", "failed"]
    assert records.job(reader, job_id).failure_kind == "out_of_memory"


def test_on_mps_torch_may_not_take_more_than_the_machine_has(
    home: Home, queue: Queue, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment the child really gets, read from a child that prints it."""
    names = ("PYTORCH_MPS_HIGH_WATERMARK_RATIO", "PYTORCH_MPS_LOW_WATERMARK_RATIO")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    queue.enqueue(recipe)
    held = begun(queue)
    printing = ["sh", "-c", f"echo high ${names[0]} low ${names[1]} >&2", "sh"]
    seen = []
    for device in ("mps", "cpu"):
        child = spawn(home, Held(**{**vars(held), "device": device}), printing)
        until(lambda child=child: not child.alive, "the child to end")  # type: ignore[misc]
        seen.append((held.run_dir / "training.log").read_text().splitlines()[-1])
    monkeypatch.setenv(names[0], "0.5")
    child = spawn(home, Held(**{**vars(held), "device": "mps"}), printing)
    until(lambda: not child.alive, "the child to end")
    seen.append((held.run_dir / "training.log").read_text().splitlines()[-1])
    assert seen == ["high 1.0 low 0.8", "high low", "high 0.5 low"]
