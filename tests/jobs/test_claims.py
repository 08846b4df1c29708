"""Which job comes next, and where the end of an attempt leaves it."""

from __future__ import annotations

import time
from sqlite3 import Connection

import pytest

from db import records
from jobs import claims
from jobs.claims import finish
from jobs.ending import Ending
from jobs.inbox import NEXT, TWIN
from jobs.queue import Queue
from recipes.recipe import Recipe
from tests.jobs.conftest import (
    DIED,
    DONE,
    LEFT,
    MEMORY,
    WRONG,
    take,
    taken,
)


def test_jobs_are_claimed_by_priority_then_in_order(queue: Queue, recipe: Recipe) -> None:
    first, second, urgent = queue.enqueue(recipe), queue.enqueue(recipe), queue.enqueue(recipe, priority=1)
    order = []
    while (held := take(queue)) is not None:
        order.append(held.job_id)
        finish(queue.database, held, DONE)
    assert order == [urgent, first, second]


@pytest.mark.parametrize(
    ("wanted", "device", "fits"),
    [("auto", "cuda:1", True), ("cuda", "cuda:1", True), ("cuda:1", "cuda:1", True), ("cuda:0", "cuda:1", False),
     ("cpu", "cuda:0", False), ("cuda", "cpu", False), ("mps", "mps", True)],
)  # fmt: skip
def test_a_worker_takes_only_jobs_for_its_device(
    queue: Queue, recipe: Recipe, wanted: str, device: str, fits: bool
) -> None:
    queue.enqueue(recipe.model_copy(update={"run": recipe.run.model_copy(update={"device": wanted})}))
    assert (take(queue, device) is not None) == fits


def test_a_job_waits_for_its_parents(queue: Queue, reader: Connection, recipe: Recipe) -> None:
    parent = queue.enqueue(recipe)
    child = queue.enqueue(recipe, after=[parent], priority=9)
    relaxed = queue.enqueue(recipe, after_any=[parent], priority=8)
    held = taken(queue)
    assert held.job_id == parent
    finish(queue.database, held, WRONG)
    assert records.job(reader, child).blocked_by == (parent,)
    assert taken(queue).job_id == relaxed
    queue.retry(parent)
    finish(queue.database, taken(queue, "mps"), DONE)
    assert records.job(reader, child).blocked_by == ()
    assert taken(queue, "mps").job_id == child


def test_not_before_is_kept(queue: Queue, recipe: Recipe) -> None:
    queue.enqueue(recipe, not_before=time.time() + 3600)
    assert take(queue) is None
    soon = queue.enqueue(recipe, not_before=time.time() - 1)
    assert taken(queue).job_id == soon


def test_a_stopped_job_goes_back_to_its_place(queue: Queue, reader: Connection, recipe: Recipe) -> None:
    first, second = queue.enqueue(recipe), queue.enqueue(recipe)
    assert finish(queue.database, taken(queue), LEFT) == "queued"
    assert [job.id for job in records.jobs(reader)] == [first, second]
    held = taken(queue)
    assert (held.job_id, held.attempt) == (first, 2)


def test_a_stale_attempt_changes_nothing(queue: Queue, reader: Connection, recipe: Recipe) -> None:
    queue.enqueue(recipe)
    old = taken(queue)
    finish(queue.database, old, LEFT)
    new = taken(queue)
    before = records.job(reader, new.job_id)
    for ending in (DONE, LEFT, DIED, WRONG):
        assert finish(queue.database, old, ending) is None
    assert not claims.started(queue.database, old, 1, 1.0)
    assert records.job(reader, new.job_id) == before


def test_a_job_that_always_dies_fails_with_its_signal(queue: Queue, reader: Connection, recipe: Recipe) -> None:
    job_id = queue.enqueue(recipe)
    for _ in range(claims.MAX_CRASHES):
        finish(queue.database, taken(queue), DIED)
    job = records.job(reader, job_id)
    assert (job.state, job.failure_kind, job.attempt) == ("failed", "killed", claims.MAX_CRASHES)
    assert "SIGSEGV" in (job.failure_message or "")


def test_retries_wait_longer_each_time_and_never_follow_a_configuration_error(
    queue: Queue, reader: Connection, recipe: Recipe
) -> None:
    job_id = queue.enqueue(recipe, retries=2)
    waits = []
    for _ in range(2):
        assert finish(queue.database, taken(queue), MEMORY) == "queued"
        waits.append((records.job(reader, job_id).retry_at or 0.0) - time.time())
        assert take(queue) is None
        with queue.database.transaction() as session:
            session.connection().exec_driver_sql("UPDATE job SET retry_at = 1.0")
    assert waits[1] > waits[0] + 20
    assert finish(queue.database, taken(queue), MEMORY) == "failed"
    other = queue.enqueue(recipe, retries=5)
    assert finish(queue.database, taken(queue), WRONG) == "failed"
    assert records.job(reader, other).failure_hint == "choose another"


@pytest.mark.parametrize("ending", [LEFT, DIED, WRONG, MEMORY])
def test_a_cancel_that_raced_the_end_stays_cancelled(
    queue: Queue, reader: Connection, recipe: Recipe, ending: Ending
) -> None:
    job_id = queue.enqueue(recipe, retries=3)
    held = taken(queue)
    with queue.database.transaction() as session:
        session.connection().exec_driver_sql("UPDATE job SET cancel_requested = 1")
    assert finish(queue.database, held, ending) == "cancelled"
    assert records.job(reader, job_id).cancel_requested == 0


def test_adding_a_job_scans_no_table(reader: Connection) -> None:
    for query, index in ((NEXT, "job_state"), (TWIN.replace("?", "'x'"), "job_unique_key")):
        plan = " ".join(row["detail"] for row in reader.execute(f"EXPLAIN QUERY PLAN {query}"))
        assert f"SEARCH job USING INDEX {index}" in plan


def test_the_claim_walks_its_index(reader: Connection) -> None:
    values = {"now": 0.0, "device": "cpu", "only": None}
    plan = " ".join(row["detail"] for row in reader.execute(f"EXPLAIN QUERY PLAN {claims.NEXT}", values))
    assert "job_claim" in plan
    assert "TEMP B-TREE" not in plan
