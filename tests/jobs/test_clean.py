"""Making room without losing what is still needed."""

from __future__ import annotations

import os
import time
from pathlib import Path

from jobs.claims import claim, finish
from jobs.clean import candidates, clean
from jobs.ending import End, Ending
from jobs.queue import Queue
from recipes.recipe import Recipe


def ended(queue: Queue, recipe: Recipe, end: End = End.SUCCEEDED) -> tuple[int, Path]:
    job_id = queue.enqueue(recipe, priority=1)
    held = claim(queue.database, queue.home, 1, "cpu")
    assert held is not None
    held.run_dir.mkdir()
    for name, size in (("best_accuracy.pt", 100), ("last_checkpoint.pt", 300), ("history.json", 10)):
        (held.run_dir / name).write_bytes(b"x" * size)
    finish(queue.database, held, Ending(end, kind="data"))
    return job_id, held.run_dir


def test_only_old_finished_jobs_are_offered_and_then_gone(queue: Queue, recipe: Recipe) -> None:
    job_id, run_dir = ended(queue, recipe)
    queue.enqueue(recipe)
    assert candidates(queue.home, 3600.0) == []
    (only,) = candidates(queue.home, 0.0)
    assert only.job is not None
    assert (only.job.id, only.size, only.whole) == (job_id, 410, True)
    assert clean(queue, [only]) == 410
    assert not run_dir.exists()
    assert candidates(queue.home, 0.0) == []


def test_keep_best_frees_only_what_is_not_the_result(queue: Queue, recipe: Recipe) -> None:
    _, run_dir = ended(queue, recipe)
    assert clean(queue, candidates(queue.home, 0.0, keep_best=True)) == 300
    assert sorted(path.name for path in run_dir.iterdir()) == ["best_accuracy.pt", "history.json"]
    assert candidates(queue.home, 0.0, keep_best=True) == []


def test_what_was_retried_meanwhile_stays(queue: Queue, recipe: Recipe) -> None:
    job_id, run_dir = ended(queue, recipe, End.FAILED)
    chosen = candidates(queue.home, 0.0) + candidates(queue.home, 0.0, keep_best=True)
    queue.retry(job_id)
    assert clean(queue, chosen) == 0
    assert (run_dir / "last_checkpoint.pt").exists()


def test_a_failed_parent_somebody_waits_for_is_not_offered(queue: Queue, recipe: Recipe) -> None:
    job_id, _ = ended(queue, recipe, End.FAILED)
    queue.enqueue(recipe, after=[job_id])
    assert candidates(queue.home, 0.0) == []


def test_a_directory_without_a_job_is_offered(queue: Queue) -> None:
    lost = queue.home.runs / "0099-lost"
    lost.mkdir()
    (lost / "last_checkpoint.pt").write_bytes(b"x" * 50)
    os.utime(lost, (time.time() - 100,) * 2)
    assert candidates(queue.home, 3600.0) == []
    assert clean(queue, candidates(queue.home, 10.0)) == 50
    assert not lost.exists()
