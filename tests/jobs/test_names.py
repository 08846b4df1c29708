"""Names: how jobs are called, found and moved by them, and which names would be mistaken for something else."""

from __future__ import annotations

from sqlite3 import Connection

import pytest

from db import records
from jobs.queue import Queue
from recipes.errors import NotFoundError, UsageError
from recipes.recipe import Recipe


@pytest.mark.parametrize(
    "name", ["", "  ", "12", "#12", "3-7", "3..7", "last", "a,b", "exp-*", "wh?t", "two\nlines", "\x1b[31m", "x" * 121]
)
def test_a_name_that_could_not_be_typed_as_an_id_is_refused(queue: Queue, recipe: Recipe, name: str) -> None:
    with pytest.raises(UsageError):
        queue.enqueue(recipe, name=name)
    job_id = queue.enqueue(recipe)
    with pytest.raises(UsageError):
        queue.rename(job_id, name)


@pytest.mark.parametrize("word", ["", " ", ","])
def test_an_empty_word_is_no_job(queue: Queue, reader: Connection, recipe: Recipe, word: str) -> None:
    """`clf wait "$ID"` with ID not set must not pass for success."""
    queue.enqueue(recipe)
    with pytest.raises(NotFoundError, match="no job is called"):
        records.find(reader, [word])


def test_a_pattern_means_every_job_it_fits(queue: Queue, reader: Connection, recipe: Recipe) -> None:
    ids = [queue.enqueue(recipe, name=f"exp-s{seed}") for seed in (1, 2, 3)]
    queue.enqueue(recipe, name="other")
    assert records.find(reader, ["exp-*"]) == ids
    assert records.find(reader, ["exp-s[13]"]) == [ids[0], ids[2]]
    with pytest.raises(NotFoundError, match="like 'nothing\\*'"):
        records.find(reader, ["nothing*"])


def test_a_range_the_wrong_way_round_is_said(queue: Queue, reader: Connection, recipe: Recipe) -> None:
    queue.enqueue(recipe)
    with pytest.raises(NotFoundError) as caught:
        records.find(reader, ["3-1"])
    assert caught.value.hint == "did you mean 1-3?"


def test_a_paused_job_is_a_place_to_move_to(queue: Queue, reader: Connection, recipe: Recipe) -> None:
    first, second, third = (queue.enqueue(recipe) for _ in range(3))
    queue.pause(second)
    queue.move(third, before=second)
    queue.pause(first)
    queue.move(first, before=third)
    for job_id in (first, second):
        queue.resume(job_id)
    assert [job.id for job in records.jobs(reader)] == [first, third, second]


def test_a_waiting_job_can_be_renamed_and_postponed(queue: Queue, reader: Connection, recipe: Recipe) -> None:
    job_id = queue.enqueue(recipe)
    queue.rename(job_id, " night run ")
    queue.postpone(job_id, 4e9)
    job = records.job(reader, job_id)
    assert (job.name, job.not_before) == ("night run", 4e9)
    queue.postpone(job_id, None)
    assert records.job(reader, job_id).not_before is None


def test_a_copy_is_the_same_work_as_the_job_it_was_made_from(queue: Queue, reader: Connection, recipe: Recipe) -> None:
    job_id = queue.enqueue(recipe, data_hash="a")
    copies = (queue.duplicate(job_id), queue.duplicate(job_id, recipe, data_hash="b"))
    assert [records.job(reader, copy).data_hash for copy in copies] == ["a", "b"]
