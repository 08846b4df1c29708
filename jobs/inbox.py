"""Where jobs are put into the queue. The verb a person waits for most often, so it needs no ORM."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence

from db import records
from db.job_states import OPEN, sql
from db.names import checked_name
from db.writing import BUSY_SECONDS, insert, make_ready, transaction
from jobs.origin import clf_version, git_commit, unique_key
from recipes.errors import QueueError
from recipes.home import Home
from recipes.recipe import Recipe

BEGINNING: dict[str, object] = dict.fromkeys(
    (
        "cancel_requested", "pause_requested", "attempt", "crashes", "checkpoint_step", "fresh", "elapsed_seconds",
        "epoch", "step", "steps", "epoch_step", "epoch_steps",
    ),
    0,
)  # fmt: skip
NEXT = f"SELECT coalesce(max(position), 0.0) + 1.0 FROM job WHERE state IN {sql(OPEN)}"  # behind every job not ended
TWIN = f"SELECT id, state FROM job WHERE unique_key = ? AND (state = 'succeeded' OR state IN {sql(OPEN)}) LIMIT 1"


class Inbox:
    """The way into the queue of one home. `notice` is what the person should be told about where it lies."""

    def __init__(self, home: Home, *, busy_seconds: float = BUSY_SECONDS) -> None:
        """Create what is missing and migrate what is behind; raises HomeError, DatabaseError.

        Every verb waits up to `busy_seconds` for another process that holds the database.
        """
        self.home, self.busy_seconds = home.create(), busy_seconds
        self.notice = make_ready(home.database, busy_seconds)

    def enqueue(
        self,
        recipe: Recipe,
        *,
        name: str | None = None,
        priority: int = 0,
        after: Sequence[int] = (),
        after_any: Sequence[int] = (),
        not_before: float | None = None,
        retries: int = 0,
        unique: bool = False,
        paused: bool = False,
        data_hash: str | None = None,
    ) -> int:
        """Add `recipe`, frozen, and return the job's id; raises NotFoundError (a parent), QueueError (`unique`)."""
        if retries < 0:
            raise QueueError(f"retries must be 0 or more, not {retries}")
        now = time.time()
        row = BEGINNING | frozen(recipe, data_hash)
        row |= {
            "name": recipe.name if name is None else checked_name(name),
            "state": "paused" if paused else "queued",
            "priority": priority,
        }
        row |= {"created_at": now, "not_before": not_before, "retries": retries, "retries_left": retries}
        row |= {"clf_version": clf_version(), "git_commit": git_commit()}
        with transaction(self.home.database, self.busy_seconds) as connection:
            if unique:
                _refuse_twin(connection, row["unique_key"])
            position = connection.execute(NEXT).fetchone()[0]
            job_id = insert(connection, "job", row | {"position": position})
            _wait_for(connection, job_id, dict.fromkeys(after_any, True) | dict.fromkeys(after, False))
            message = "added" + (", paused" if paused else "")
            event = {"job_id": job_id, "at": now, "attempt": 0, "kind": "queued", "message": message}
            insert(connection, "event", event)
        return job_id


def frozen(recipe: Recipe, data_hash: str | None) -> dict[str, object]:
    """The columns of a job that hold its recipe, and what lists show of it."""
    return {
        "recipe": recipe.model_dump_json(),
        "recipe_name": recipe.name,
        "data": recipe.data.source,
        "model": recipe.model.name,
        "device_wanted": recipe.run.device,
        "epochs": recipe.total_epochs,
        "data_hash": data_hash,
        "unique_key": unique_key(recipe, data_hash),
    }


def _refuse_twin(connection: sqlite3.Connection, unique_key: object) -> None:
    twin = connection.execute(TWIN, (unique_key,)).fetchone()
    if twin is not None:
        raise QueueError(f"#{twin[0]} is the same recipe, data and seed ({twin[1]})", "drop --unique")


def _wait_for(connection: sqlite3.Connection, job_id: int, parents: dict[int, bool]) -> None:
    """Let a job that is just being added wait: nothing waits for it yet, so this closes no circle."""
    for parent, any_outcome in parents.items():
        records.find(connection, [str(parent)])  # raises NotFoundError
        insert(connection, "dependency", {"job_id": job_id, "parent_id": parent, "any_outcome": any_outcome})
