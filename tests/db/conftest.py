"""A real database in a temporary folder, and rows for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from db.engine import Database, open_database
from db.models import Job

AddJob = Callable[..., int]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(tmp_path / "clf.db")
    yield opened
    opened.close()


@pytest.fixture
def add_job(database: Database) -> AddJob:
    def add(**changes: Any) -> int:
        fields: dict[str, Any] = {
            "name": "demo", "recipe_name": "demo", "recipe": "{}", "data": "digits", "model": "test_resnet",
            "position": 1.0, "created_at": 100.0, "clf_version": "0",
        }  # fmt: skip
        if changes.get("state") in ("succeeded", "failed", "cancelled"):
            fields["finished_at"] = 200.0
        if changes.get("state") == "running":
            fields |= {"token": "t", "worker_id": 1, "device": "cpu"}
        with database.transaction() as session:
            job = Job(**(fields | changes))
            session.add(job)
            session.flush()
            assert job.id is not None
            return job.id

    return add
