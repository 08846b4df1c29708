"""The real child with the real training, on a model small enough for a test."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from core.manifest import build_manifest
from db import records
from jobs.claims import claim
from jobs.parent import init_from
from jobs.queue import Queue
from jobs.worker import work
from recipes.errors import ConfigurationError
from recipes.home import Home
from recipes.recipe import Recipe
from tests.core_data.conftest import write_folder
from tests.jobs.conftest import ROOT, job_state, kill, left_over, until, until_state, until_step

STALL = 20.0  # seconds: on a busy machine a child may take half of it to load torch


def tiny(**run: object) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "tiny",
            "data": {"source": "digits", "image_size": 32, "samples": 200, "workers": 1},
            "model": {"name": "test_resnet", "pretrained": False},
            "run": {"epochs": 2, "batch_size": 20, "precision": "fp32", **run},
        }
    )


@pytest.fixture
def real_worker(home: Home) -> Iterator[subprocess.Popen[bytes]]:
    """A worker process whose child is the real one."""
    words = [sys.executable, "-P", "-m", "jobs.launch", str(home.root), "cpu"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(words, env=environment, start_new_session=True)
    yield process
    process.terminate()
    process.wait()
    for left in left_over(home):
        left.kill()


def test_a_job_is_trained_in_a_child_while_the_worker_stays_free_of_torch(
    home: Home, queue: Queue, reader: sqlite3.Connection
) -> None:
    job_id = queue.enqueue(tiny(device="cpu"))
    seen: set[int | None] = set()
    phases: set[str | None] = set()

    def tick(running: int | None) -> None:
        seen.add(running)
        phases.add(records.job(reader, job_id).phase)

    assert work(home, device="cpu", only=job_id, on_tick=tick) == 0
    job = records.job(reader, job_id)
    assert (job.state, job.epoch, job.epochs, job.outcome) == ("succeeded", 2, 2, "completed")
    assert job_id in seen
    assert "preparing" in phases
    assert {"train/loss", "val/accuracy", "val/f1"} <= {
        f"{split}/{name}" for split, name in reader.execute("SELECT DISTINCT split, name FROM metric").fetchall()
    }
    assert job.data_hash == build_manifest(tiny().data, tiny().run.seed, home.datasets).digest
    folder = Path(job.run_dir or "")
    for name in ("recipe.toml", "training.log", "history.json", "last_checkpoint.pt", "final_model.pt"):
        assert (folder / name).is_file(), name
    assert re.search(r"checking images (\d+)/\1\n", (folder / "training.log").read_text())
    assert set(records.samples(reader, job_id)) >= {"allocated", "resident"}
    assert left_over(home) == []


def test_a_training_killed_in_an_epoch_goes_on_from_its_checkpoint(
    home: Home, queue: Queue, reader: sqlite3.Connection, real_worker: subprocess.Popen[bytes]
) -> None:
    job_id = queue.enqueue(tiny(epochs=3))
    job = until_step(reader, job_id, 12)
    kill(job.pid)
    job = until_state(reader, job_id, "succeeded", "failed")
    assert (job.state, job.epoch, job.attempt) == ("succeeded", 3, 2), job.failure_message
    assert records.series(reader, job_id, "val", "accuracy").xs == (1.0, 2.0, 3.0)
    until(lambda: [process.pid for process in left_over(home)] == [real_worker.pid], "nothing but the worker")


@pytest.mark.usefixtures("real_worker")
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_training_whose_loader_hangs_is_ended_with_its_stacks_and_tried_again(
    queue: Queue, reader: sqlite3.Connection, tmp_path: Path
) -> None:
    images = write_folder(tmp_path / "data", {f"{split}/{label}": 6 for split in ("train", "val") for label in "ab"})
    fine = tiny(epochs=300, batch_size=4, stall_timeout=STALL, checkpoint_every=0)
    job_id = queue.enqueue(
        fine.model_copy(update={"data": fine.data.model_copy(update={"source": str(images), "samples": None})}),
        retries=1,
    )
    job = until_step(reader, job_id, 6)
    training = psutil.Process(job.pid)
    processes = [training, *training.children(recursive=True)]
    assert len(processes) > 2  # a loader process and its parent
    for image in (images / "train").rglob("*.png"):  # whoever opens one waits for a writer that never comes
        image.unlink()
        os.mkfifo(image)

    until(lambda: records.job(reader, job_id).attempt == 1 and job_state(reader, job_id) == "queued", "its end")
    (said,) = [event.message for event in records.events(reader, job_id) if event.kind == "retry"]
    assert f"no progress for {STALL:.0f} s while waiting for the loader" in said
    log = (Path(job.run_dir or "") / "training.log").read_text()
    assert 'core/pool.py", line' in log
    assert 'core/train.py", line' in log
    assert not [each for each in processes if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]
    queue.cancel(job_id)


def test_data_that_is_not_there_fails_the_job_with_its_path(
    home: Home, queue: Queue, reader: sqlite3.Connection
) -> None:
    recipe = tiny().model_copy(update={"data": tiny().data.model_copy(update={"source": "/no/such/folder"})})
    job_id = queue.enqueue(recipe)
    assert work(home, device="cpu", drain=True) == 0
    job = records.job(reader, job_id)
    assert (job.state, job.failure_kind) == ("failed", "data")
    assert "/no/such/folder" in (job.failure_message or "")


def test_weights_come_from_a_file_or_another_job(home: Home, queue: Queue, tmp_path: Path) -> None:
    file = tmp_path / "weights.pt"
    file.touch()
    parent = queue.enqueue(tiny(), name="parent")

    def wanting(name: str | None) -> Recipe:
        return tiny().model_copy(update={"model": tiny().model.model_copy(update={"init_from": name})})

    assert init_from(home, tiny()) is None
    assert init_from(home, wanting(str(file))) == file
    for name, problem in (("nobody", "no job named"), ("parent", "no trained weights yet")):
        with pytest.raises(ConfigurationError, match=problem):
            init_from(home, wanting(name))
    held = claim(queue.database, home, 1, "cpu")
    assert held is not None
    held.run_dir.mkdir()
    (held.run_dir / "best_accuracy.pt").touch()
    assert init_from(home, wanting(str(parent))) == held.run_dir / "best_accuracy.pt"
