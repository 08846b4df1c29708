"""The hash of the data in a job's record: filled in when the data comes into being, and compared when it was known."""

from __future__ import annotations

from sqlite3 import Connection

import pytest

from core.events import RunStarted
from db import records
from jobs.queue import Queue
from jobs.recorder import Recorder
from recipes.recipe import Recipe
from tests.jobs.conftest import taken


def begun(digest: str) -> RunStarted:
    return RunStarted(
        "m", 1, "cpu", "cpu", "fp32", False, ("a", "b"), {"train": 2}, (("train", 1),), 1, 1, 0, 0, {}, digest
    )


@pytest.mark.parametrize(
    ("queued", "found", "kept", "told"),
    [(None, "b", "b", False), ("a", "a", "a", False), ("a", "b", "a", True), ("a", "", "a", False)],
)
def test_the_hash_is_filled_in_once_and_a_difference_is_told(
    queue: Queue, reader: Connection, recipe: Recipe, queued: str | None, found: str, kept: str, told: bool
) -> None:
    job_id = queue.enqueue(recipe, data_hash=queued)
    recorder = Recorder(queue.database, taken(queue))
    recorder.record(begun(found))
    assert recorder.close()
    assert records.job(reader, job_id).data_hash == kept
    assert ("data" in [event.kind for event in records.events(reader, job_id)]) is told
