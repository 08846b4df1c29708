"""The time that is left, as the recorder keeps it: validation reckons none, and takes none away."""

from __future__ import annotations

import math
from sqlite3 import Connection

import pytest

from core.events import MemoryReading, StepLogged
from db import records
from jobs.queue import Queue
from jobs.recorder import Recorder
from recipes.recipe import Recipe
from tests.jobs.conftest import taken


def _logged(phase: str, eta: float | None) -> StepLogged:
    return StepLogged(
        phase=phase, stage="train", epoch=1, epoch_step=1, epoch_steps=9, step=1, loss=1.0, accuracy=0.5, lr=0.1,
        images_per_second=10.0, loader_wait=0.0, memory=MemoryReading(1), eta_seconds=eta,
    )  # fmt: skip


@pytest.mark.parametrize(("phase", "left"), [("validate", 60.0), ("test", None), ("train", None)])
def test_only_a_validation_leaves_the_time_left_as_it_was(
    queue: Queue, reader: Connection, recipe: Recipe, phase: str, left: float | None
) -> None:
    job_id = queue.enqueue(recipe)
    recorder = Recorder(queue.database, taken(queue))
    recorder.record(_logged("train", 60.0))
    recorder.record(_logged(phase, None if phase != "train" else math.nan))
    assert recorder.close()
    assert records.job(reader, job_id).eta_seconds == left
