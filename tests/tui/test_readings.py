"""Series in memory are the series in the database, read piece by piece."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db import records
from db.curves import Row
from recipes.home import Home
from tui.charts.readings import Readings, thinned


@pytest.fixture
def writing(home: Home) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(home.database, isolation_level=None)
    yield connection
    connection.close()


def _write(writing: sqlite3.Connection, first: int, count: int) -> None:
    rows = [
        (2, "step", "probe", n, n / 1000, 1, "head", float((n * 7919) % 1009), 0.0) for n in range(first, first + count)
    ]
    writing.executemany(
        "INSERT INTO metric (job_id, split, name, step, epoch, attempt, stage, value, at) VALUES (?,?,?,?,?,?,?,?,?)",
        rows,
    )


def test_a_running_series_goes_on_where_it_was_read(home: Home, writing: sqlite3.Connection) -> None:
    reading = records.connect(home.database)
    readings, job = Readings(), records.job(reading, 2)
    _write(writing, 1, 10_000)
    assert readings.series(reading, job, "step", "probe", 100).xs[-1] == 10.0
    _write(writing, 10_001, 10_000)
    assert readings.series(reading, job, "step", "probe", 100).xs[-1] == 10.0, "the job's record did not move"
    later = readings.series(reading, replace(job, step=job.step + 5), "step", "probe", 100)
    assert later.xs[-1] == 20.0
    assert (min(later.ys), max(later.ys)) == (0.0, 1008.0)
    assert 100 <= len(later.xs) <= 300
    reading.close()


def test_another_attempt_is_read_anew(home: Home, writing: sqlite3.Connection) -> None:
    reading = records.connect(home.database)
    readings, job = Readings(), records.job(reading, 2)
    _write(writing, 1, 50)
    assert len(readings.series(reading, job, "step", "probe", 100).xs) == 50
    writing.execute("DELETE FROM metric WHERE name = 'probe' AND step > 10")
    again = readings.series(reading, replace(job, attempt=2), "step", "probe", 100)
    assert len(again.xs) == 10
    reading.close()


def test_a_close_look_reads_every_step_of_its_window(home: Home, writing: sqlite3.Connection) -> None:
    reading = records.connect(home.database)
    _write(writing, 1, 40_000)
    close = Readings().series(reading, records.job(reading, 2), "step", "probe", 100 * 400, window=(20.0, 20.1))
    seen = [x for x in close.xs if 20.0 <= x <= 20.1]
    assert seen == [n / 1000 for n in range(20_000, 20_101)]
    assert len(close.xs) < 1000
    reading.close()


@given(st.lists(st.none() | st.floats(-1e6, 1e6), min_size=1, max_size=400), st.integers(1, 60))
def test_thinning_keeps_ends_and_extremes(values: list[float | None], columns: int) -> None:
    rows: list[Row] = [(step, step / 10, value) for step, value in enumerate(values)]
    found = thinned(rows, columns)
    known = [value for value in values if value is not None]
    left = [row[2] for row in found if row[2] is not None]
    assert (found[0][0], found[-1][0]) == (0, len(values) - 1)
    assert not known or (min(left), max(left)) == (min(known), max(known))
    assert len(found) <= 2 * columns + 2
    assert found == sorted(found, key=lambda row: row[0])
