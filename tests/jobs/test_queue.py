"""The verbs of the queue and what each refuses."""

from __future__ import annotations

from sqlite3 import Connection

import pytest

from db import records
from db.models import Job
from jobs.claims import claim, finish
from jobs.queue import Queue
from recipes.errors import NotFoundError, QueueError
from recipes.recipe import Recipe
from tests.jobs.conftest import (
    DONE,
    LEFT,
    WRONG,
    job_state,
    take,
    taken,
)


def test_a_job_is_frozen_as_it_was_queued(queue: Queue, reader: Connection, recipe: Recipe) -> None:
    job_id = queue.enqueue(recipe, name="night", data_hash="abc")
    job = records.job(reader, job_id)
    assert Recipe.model_validate_json(job.recipe) == recipe
    assert (job.name, job.recipe_name, job.data, job.model, job.state) == (
        "night",
        "tiny",
        "digits",
        "test_resnet",
        "queued",
    )
    assert job.data_hash == "abc"
    assert job.clf_version


def test_a_job_begins_as_its_table_says(queue: Queue, reader: Connection, recipe: Recipe) -> None:
    """It is added without the table's class, whose defaults it must therefore know."""
    row = reader.execute("SELECT * FROM job WHERE id = ?", (queue.enqueue(recipe),)).fetchone()
    expected = {name: field.default for name, field in Job.model_fields.items() if not field.is_required()}
    given = ("id", "unique_key", "epochs", "git_commit")
    assert {name: row[name] for name in expected if name not in given} == {
        name: value for name, value in expected.items() if name not in given
    }


def test_moving_changes_the_order(queue: Queue, reader: Connection, recipe: Recipe) -> None:
    ids = [queue.enqueue(recipe) for _ in range(4)]
    queue.move(ids[3], first=True)
    queue.move(ids[0], last=True)
    queue.move(ids[2], before=ids[1])
    assert [job.id for job in records.jobs(reader)] == [ids[3], ids[2], ids[1], ids[0]]


def test_moving_to_and_fro_never_runs_out_of_room(queue: Queue, reader: Connection, recipe: Recipe) -> None:
    ids = [queue.enqueue(recipe) for _ in range(3)]
    for turn in range(200):
        queue.move(ids[turn % 2], before=ids[2])
    assert [job.id for job in records.jobs(reader)] == [ids[0], ids[1], ids[2]]


def test_moving_before_a_job_of_another_priority_takes_its_priority(
    queue: Queue, reader: Connection, recipe: Recipe
) -> None:
    urgent, plain = queue.enqueue(recipe, priority=3), queue.enqueue(recipe)
    queue.move(plain, before=urgent)
    assert [job.id for job in records.jobs(reader)] == [plain, urgent]


def test_circles_and_unknown_parents_are_refused(queue: Queue, recipe: Recipe) -> None:
    first = queue.enqueue(recipe)
    second = queue.enqueue(recipe, after=[first])
    third = queue.enqueue(recipe, after=[second])
    with pytest.raises(QueueError, match="waits for"):
        queue.depend(first, after=[third])
    with pytest.raises(NotFoundError):
        queue.enqueue(recipe, after=[99])
    assert len(records.jobs(records.connect(queue.home.database))) == 3


def test_the_same_work_is_not_queued_twice_when_unique(queue: Queue, recipe: Recipe) -> None:
    first = queue.enqueue(recipe, data_hash="a")
    with pytest.raises(QueueError, match=f"#{first} is the same"):
        queue.enqueue(recipe.model_copy(update={"name": "other"}), data_hash="a", unique=True)
    queue.enqueue(recipe, data_hash="b", unique=True)
    queue.cancel(first)
    queue.enqueue(recipe, data_hash="a", unique=True)


def test_a_waiting_job_is_cancelled_at_once(queue: Queue, reader: Connection, recipe: Recipe) -> None:
    job_id = queue.enqueue(recipe)
    queue.cancel(job_id)
    job = records.job(reader, job_id)
    assert job.state == "cancelled"
    assert job.finished_at is not None
    with pytest.raises(QueueError, match="has ended"):
        queue.cancel(job_id)


def test_a_running_job_whose_worker_and_child_are_gone_is_cancelled_at_once(
    queue: Queue, reader: Connection, recipe: Recipe
) -> None:
    job_id = queue.enqueue(recipe)
    taken(queue)
    queue.cancel(job_id)
    assert job_state(reader, job_id) == "cancelled"


def test_pausing_the_queue_starts_nothing_more(queue: Queue, recipe: Recipe) -> None:
    job_id = queue.enqueue(recipe)
    queue.pause()
    assert take(queue) is None
    assert claim(queue.database, queue.home, 1, "cpu", only=job_id) is not None  # asked for by name
    queue.resume()


def test_a_paused_job_waits_for_its_resume(queue: Queue, recipe: Recipe) -> None:
    job_id = queue.enqueue(recipe, paused=True)
    assert take(queue) is None
    queue.resume(job_id)
    assert taken(queue).job_id == job_id
    with pytest.raises(QueueError, match="not paused"):
        queue.resume(job_id)


def test_a_retry_from_scratch_forgets(queue: Queue, reader: Connection, recipe: Recipe) -> None:
    job_id = queue.enqueue(recipe)
    held = taken(queue)
    with queue.database.transaction() as session:
        connection = session.connection()
        connection.exec_driver_sql("UPDATE job SET epoch = 3, checkpoint_step = 30, best_accuracy = 0.5")
        connection.exec_driver_sql("INSERT INTO metric VALUES (1, 'val', 'loss', 1, 1.0, 1, 'train', 0.5, 0.0)")
    finish(queue.database, held, DONE)
    with pytest.raises(QueueError, match="succeeded"):
        queue.retry(job_id)
    queue.retry(job_id, from_scratch=True)
    job = records.job(reader, job_id)
    assert (job.state, job.epoch, job.best_accuracy) == ("queued", 0, None)
    assert records.series(reader, job_id, "val", "loss").xs == ()
    assert taken(queue).fresh


def test_only_a_job_that_never_began_is_edited(queue: Queue, reader: Connection, recipe: Recipe) -> None:
    changed = recipe.model_copy(update={"run": recipe.run.model_copy(update={"seed": 7})})
    job_id = queue.enqueue(recipe)
    queue.edit(job_id, changed)
    assert Recipe.model_validate_json(records.job(reader, job_id).recipe).run.seed == 7
    held = taken(queue)
    with pytest.raises(QueueError, match="running"):
        queue.edit(job_id, recipe)
    finish(queue.database, held, LEFT)
    with pytest.raises(QueueError, match="has trained"):
        queue.edit(job_id, recipe)


def test_a_duplicate_is_a_new_job(queue: Queue, reader: Connection, recipe: Recipe) -> None:
    job_id = queue.enqueue(recipe, name="night", priority=2, retries=1, data_hash="h")
    copy = records.job(reader, queue.duplicate(job_id))
    assert (copy.name, copy.priority, copy.retries, copy.data_hash, copy.state) == ("night", 2, 1, "h", "queued")


def test_a_removed_job_takes_its_files_and_records_along(queue: Queue, reader: Connection, recipe: Recipe) -> None:
    job_id = queue.enqueue(recipe)
    held = taken(queue)
    held.run_dir.mkdir()
    (held.run_dir / "history.json").write_text("[]")
    with pytest.raises(QueueError, match="running"):
        queue.remove(job_id)
    finish(queue.database, held, DONE)
    queue.remove(job_id)
    assert not held.run_dir.exists()
    assert records.events(reader, job_id) == []
    assert queue.enqueue(recipe) > job_id  # ids, and with them run directories, are never used twice


def test_a_failed_parent_is_not_removed_from_under_its_children(queue: Queue, recipe: Recipe) -> None:
    parent = queue.enqueue(recipe)
    child = queue.enqueue(recipe, after=[parent])
    finish(queue.database, taken(queue), WRONG)
    with pytest.raises(QueueError, match=f"#{child} waits"):
        queue.remove(parent)


@pytest.mark.parametrize("verb", ["cancel", "pause", "resume", "retry", "remove", "duplicate"])
def test_every_verb_knows_when_there_is_no_such_job(queue: Queue, verb: str) -> None:
    for job_id in (7, 2**70):
        with pytest.raises(NotFoundError):
            getattr(queue, verb)(job_id)
