"""What both faces read."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from sqlite3 import Connection

import pytest
from sqlalchemy import insert

from db import records
from db.engine import Database
from db.models import Dependency, Event, Metric, Sample, Setting
from recipes.errors import NotFoundError
from tests.db.conftest import AddJob


@pytest.fixture
def reader(database: Database) -> Iterator[Connection]:
    connection = records.connect(database.path)
    yield connection
    connection.close()


def fill(database: Database, job_id: int, values: list[float | None]) -> None:
    rows = [
        {"job_id": job_id, "split": "step", "name": "loss", "step": step, "epoch": step / 100, "attempt": 1,
         "stage": "train", "value": value, "at": 0.0}
        for step, value in enumerate(values)
    ]  # fmt: skip
    with database.transaction() as session:
        session.connection().execute(insert(Metric), rows)


def test_the_list_runs_from_running_to_the_oldest_finished(reader: Connection, add_job: AddJob) -> None:
    old = add_job(state="succeeded", finished_at=10.0)
    new = add_job(state="failed", finished_at=20.0)
    late, early, urgent = add_job(position=3.0), add_job(position=2.0), add_job(priority=5, position=9.0)
    paused, running = add_job(state="paused"), add_job(state="running")
    order = [job.id for job in records.jobs(reader)]
    assert order == [running, urgent, early, late, paused, new, old]
    assert [job.id for job in records.jobs(reader, limit=3)] == order[:3]
    assert [job.id for job in records.jobs(reader, states=("failed", "queued"))] == [urgent, early, late, new]


def test_finished_jobs_can_be_cut_short_and_counted(reader: Connection, add_job: AddJob) -> None:
    ids = [add_job(state="succeeded", finished_at=10.0 + n, name=f"n{n}") for n in range(5)]
    waiting = add_job()
    assert [job.id for job in records.jobs(reader, finished=2)] == [waiting, ids[4], ids[3]]
    assert [job.id for job in records.jobs(reader, finished=4, limit=2)] == [waiting, ids[4]]
    assert records.count_finished(reader) == 5
    assert records.count_finished(reader, text="n3") == 1
    assert records.count_finished(reader, states=("failed", "queued")) == 0
    assert records.count_finished(reader, states=("queued",)) == 0


def test_text_is_found_in_name_recipe_data_and_model(reader: Connection, add_job: AddJob) -> None:
    add_job(name="Nachtlauf"), add_job(data="/data/flowers"), add_job(model="resnet50"), add_job()
    assert [len(records.jobs(reader, text=text)) for text in ("nacht", "flowers", "NET50", "demo", "none")] == [
        1,
        1,
        1,
        4,
        0,
    ]


def test_waiting_and_blocked_are_derived(database: Database, reader: Connection, add_job: AddJob) -> None:
    good, bad, open_ = add_job(state="succeeded"), add_job(state="failed"), add_job()
    child, relaxed = add_job(), add_job()
    with database.transaction() as session:
        session.add_all([Dependency(job_id=child, parent_id=parent) for parent in (good, bad, open_)])
        session.add(Dependency(job_id=relaxed, parent_id=bad, any_outcome=True))
    job = records.job(reader, child)
    assert (job.waiting_for, job.blocked_by) == ((open_,), (bad,))
    assert (records.job(reader, relaxed).waiting_for, records.job(reader, relaxed).blocked_by) == ((), ())
    assert {job.id: job.blocked_by for job in records.jobs(reader)}[child] == (bad,)


def test_an_unknown_job_is_not_found(reader: Connection) -> None:
    with pytest.raises(NotFoundError, match="no job 7"):
        records.job(reader, 7)


def test_ids_ranges_last_and_names_are_understood(reader: Connection, add_job: AddJob) -> None:
    one, two, three = add_job(name="night"), add_job(name="night", state="succeeded"), add_job(name="day")
    assert records.find(reader, ["1-2", "3"]) == [one, two, three]
    assert records.find(reader, ["last"]) == [three]
    assert records.find(reader, ["3,#1", "3"]) == [three, one]
    assert records.find(reader, ["night"]) == [one]  # the one that has not ended


@pytest.mark.parametrize("word", ["99", "50-60", "nite", "9" * 40])
def test_what_is_not_there_is_refused(reader: Connection, add_job: AddJob, word: str) -> None:
    add_job(name="night")
    with pytest.raises(NotFoundError) as caught:
        records.find(reader, [word])
    if word == "nite":
        assert "night" in caught.value.hint


def test_a_short_series_comes_whole_with_its_holes(database: Database, reader: Connection, add_job: AddJob) -> None:
    fill(database, add_job(), [1.0, None, 0.5])
    curve = records.series(reader, 1, "step", "loss")
    assert (curve.name, curve.xs, curve.ys) == ("step/loss", (0.0, 0.01, 0.02), (1.0, None, 0.5))


def test_a_long_series_keeps_its_extremes_and_ends(database: Database, reader: Connection, add_job: AddJob) -> None:
    values: list[float | None] = [math.sin(step / 500) for step in range(20_000)]
    values[12_345], values[6_789] = 9.0, -9.0
    fill(database, add_job(), values)
    curve = records.series(reader, 1, "step", "loss", columns=50)
    assert len(curve.xs) <= 2 * 50 + 2
    assert list(curve.xs) == sorted(curve.xs)
    points = dict(zip(curve.xs, curve.ys, strict=True))
    assert (points[123.45], points[67.89]) == (9.0, -9.0)
    assert (points[0.0], points[199.99]) == (values[0], values[-1])


def test_a_series_nobody_wrote_is_empty(reader: Connection) -> None:
    assert records.series(reader, 1, "val", "accuracy").xs == ()
    assert records.samples(reader, 1) == {}


def test_samples_count_seconds_and_leave_out_what_was_never_read(
    database: Database, reader: Connection, add_job: AddJob
) -> None:
    job_id = add_job()
    with database.transaction() as session:
        session.add_all([Sample(job_id=job_id, at=1000.0 + second, resident=second) for second in range(1000)])
    curves = records.samples(reader, job_id, columns=20)
    assert set(curves) == {"resident"}
    assert len(curves["resident"].xs) <= 40
    assert (curves["resident"].xs[0], curves["resident"].xs[-1]) == (0.0, 999.0)
    assert (min(curves["resident"].ys), max(curves["resident"].ys)) == (0, 999)  # type: ignore[type-var]
    assert len(records.samples(reader, job_id, columns=1000)["resident"].xs) == 1000


def test_events_end_with_the_newest(database: Database, reader: Connection, add_job: AddJob) -> None:
    job_id = add_job()
    with database.transaction() as session:
        session.add_all([Event(job_id=job_id, at=float(n), kind="note", message=str(n)) for n in range(5)])
        session.add(Event(job_id=None, at=9.0, kind="worker", message="started"))
    assert [event.message for event in records.events(reader, job_id, limit=3)] == ["2", "3", "4"]
    assert records.events(reader, None)[-1].message == "started"


def test_the_mark_moves_when_another_connection_commits(database: Database, reader: Connection) -> None:
    before = records.change_mark(reader)
    assert records.change_mark(reader) == before
    assert not records.queue_paused(reader)
    with database.transaction() as session:
        session.add(Setting(key="paused", value="1"))
    assert records.change_mark(reader) != before
    assert records.queue_paused(reader)


def test_reading_loads_no_orm_and_no_schema_library() -> None:
    code = (
        "import sys, db.records; "
        "print([m for m in ('sqlmodel', 'sqlalchemy', 'pydantic', 'alembic', 'psutil', 'torch') if m in sys.modules])"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


PLANS = {
    "next": (records.list_query(["queued"], "job_claim", "priority DESC, position, id")[0], "job_claim"),
    "running": (records.list_query(["running"], "job_state", "id")[0], "job_state"),
    "finished": (
        records.list_query(["succeeded", "failed"], "job_finished", "finished_at DESC, id DESC", limit=9)[0],
        "job_finished",
    ),
    "name": ("SELECT id FROM job WHERE name = 'x' ORDER BY finished_at IS NOT NULL, id DESC LIMIT 1", "job_name"),
    "series": ("SELECT value FROM metric WHERE job_id = 1 AND split = 'val' AND name = 'f1' ORDER BY step", "PRIMARY"),
    "samples": ("SELECT min(at), max(at) FROM sample WHERE job_id = 1", "PRIMARY"),
    "events": ("SELECT id FROM event WHERE job_id = 1 ORDER BY id DESC LIMIT 5", "event_job"),
    "children": ("SELECT job_id FROM dependency WHERE parent_id = 1", "ix_dependency_parent_id"),
}


@pytest.mark.parametrize("name", PLANS)
def test_query_plans_use_their_index(reader: Connection, name: str) -> None:
    query, index = PLANS[name]
    plan = " ".join(row["detail"] for row in reader.execute(f"EXPLAIN QUERY PLAN {query}"))
    assert index in plan
    assert "SCAN job USING" in plan or "SCAN" not in plan  # a partial index walked in order counts as a scan
    if name in ("next", "finished", "series", "events"):
        assert "TEMP B-TREE" not in plan


def test_recipe_and_data_narrow_the_list_and_signs_are_meant_literally(reader: Connection, add_job: AddJob) -> None:
    flowers = add_job(recipe_name="two_stage", data="/data/flowers_12", state="succeeded", finished_at=1.0)
    digits = add_job(recipe_name="demo", data="digits", name="100%")
    assert [job.id for job in records.jobs(reader, recipe="two_stage")] == [flowers]
    assert [job.id for job in records.jobs(reader, data="FLOWERS_1")] == [flowers]
    assert [job.id for job in records.jobs(reader, text="100%")] == [digits]
    assert records.jobs(reader, text="flowers%12") == records.jobs(reader, data="flowers-12") == []
    assert records.jobs(reader, recipe="demo", data="flowers", text="100") == []
    assert records.count_finished(reader, recipe="two_stage", data="12") == 1
    assert records.count_finished(reader, recipe="demo") == 0
