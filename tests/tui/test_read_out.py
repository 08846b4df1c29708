"""The chart's cursor reads what was recorded, however many readings there are and however they are drawn."""

from __future__ import annotations

import math
import sqlite3
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from db import records
from db.engine import open_database
from db.models import Metric
from recipes.home import Home
from tests.tui.conftest import Opened, read, screen_text, settled
from tests.tui.fill import NOW, fill
from tui.charts.draw import paint
from tui.charts.panels import View, pictures
from tui.charts.picture import Picture
from tui.screens.job import JobScreen

EPOCHS = 3000
PER_EPOCH = 4


def _loss(epoch: int) -> float:
    """A value no neighbour has, so that a wrong row is noticed."""
    return 1.0 + epoch / 10_000 + (epoch % 7)


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Job 9 with 3,000 epochs; in epoch 1234 the validation loss was not finite."""
    home = fill(Home(tmp_path_factory.mktemp("long") / "home"))
    database = open_database(home.database)
    with database.transaction() as session:
        session.connection().exec_driver_sql("DELETE FROM metric WHERE job_id = 9")
        session.connection().exec_driver_sql(f"UPDATE job SET epoch = {EPOCHS}, epochs = {EPOCHS} WHERE id = 9")
        session.execute(insert(Metric), [row for epoch in range(1, EPOCHS + 1) for row in _rows(epoch)])
    database.close()
    return home


def _rows(epoch: int) -> list[dict[str, Any]]:
    common = {"job_id": 9, "attempt": 1, "stage": "train", "name": "loss"}
    step = epoch * PER_EPOCH
    rows = [
        {**common, "split": split, "step": step, "epoch": float(epoch), "at": NOW + 10 * epoch, "value": value}
        for split, value in (("train", _loss(epoch)), ("val", None if epoch == 1234 else 2 * _loss(epoch)))
    ]
    for part in range(1, PER_EPOCH + 1):
        at = epoch - 1 + part / PER_EPOCH
        place = {"step": step - PER_EPOCH + part, "epoch": at, "at": NOW + 10 * at}
        rows.append({**common, "split": "step", **place, "value": 100.0 + epoch * PER_EPOCH + part})
    return rows


def _picture(home: Home, **view: Any) -> Picture:
    connection = records.connect(home.database)
    try:
        return pictures(connection, read(home, 9), View(columns=100, **view), ["loss"])["loss"]
    finally:
        connection.close()


def _values(picture: Picture) -> dict[str, float | None]:
    return {curve.name: curve.value for curve in picture.curves if curve.value is not None}


@pytest.mark.parametrize("epoch", [1, 17, 777, 1500, 2999, 3000])
@pytest.mark.parametrize("smoothing", [0.0, 0.9])
def test_each_series_is_read_exactly_among_thousands(long: Home, epoch: int, smoothing: float) -> None:
    values = _values(_picture(long, cursor=float(epoch), smoothing=smoothing))
    within = 100.0 + epoch * PER_EPOCH + PER_EPOCH
    assert values == {"train": _loss(epoch), "val": 2 * _loss(epoch), "step": within}


def test_it_reads_by_step_and_by_time_as_well(long: Home) -> None:
    assert _values(_picture(long, cursor=777.0 * PER_EPOCH, x_axis="step"))["train"] == _loss(777)
    first = NOW + 10 / PER_EPOCH  # the first reading is within the first epoch
    assert _values(_picture(long, cursor=NOW + 7770 - first, x_axis="time"))["train"] == _loss(777)


def test_a_reading_that_was_not_finite_is_said(long: Home) -> None:
    picture = _picture(long, cursor=1234.0)
    assert math.isnan(_values(picture)["val"] or 0.0)
    heading = "".join(paint(picture.curves, 90, 10, picture.title, picture.axes).characters[0])
    assert "Loss at 1234" in heading
    assert f"train {_loss(1234):.4f}" in heading
    assert "val nan" in heading
    assert "step 5040.0" in heading


@settings(deadline=None, max_examples=60)
@given(
    steps=st.lists(st.integers(1, 10_000), unique=True, min_size=1, max_size=30).map(sorted),
    x=st.floats(-10, 20_000, allow_nan=False),
)
def test_the_nearest_row_is_found_by_halving(steps: list[int], x: float) -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute(
        "CREATE TABLE metric (job_id, split, name, step, epoch, at, value, PRIMARY KEY (job_id, split, name, step))"
    )
    rows = [(1, "train", "loss", step, step / 2, 5.0 * step, float(step)) for step in steps]
    connection.executemany("INSERT INTO metric VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    for by, scale in (("step", 1.0), ("epoch", 0.5), ("at", 5.0)):
        found = records.reading(connection, 1, "train", "loss", x * scale, by=by)
        assert found is not None
        best = min(abs(step * scale - x * scale) for step in steps)
        assert abs(found[0] - x * scale) == pytest.approx(best)
        assert found[1] == pytest.approx(found[0] / scale)
    assert records.reading(connection, 2, "train", "loss", x) is None
    connection.close()


def test_machine_readings_are_those_of_the_nearest_sample(home: Home) -> None:
    connection = records.connect(home.database)
    row = connection.execute("SELECT * FROM sample WHERE job_id = 2 ORDER BY at LIMIT 1 OFFSET 100").fetchone()
    job = read(home, 2)
    drawn = pictures(connection, job, View(columns=20, cursor=100 * 30 + 4.0), ["memory", "power", "temperature"])
    connection.close()
    memory = {curve.series: curve.value for curve in drawn["memory"].curves}
    assert memory == {name: row[name] for name in ("allocated", "reserved", "peak", "device_used", "resident")}
    assert drawn["power"].curves[0].value == row["power"]
    assert drawn["temperature"].curves[0].value == row["temperature"]


async def test_the_cursor_goes_by_one_and_by_ten(long: Home, opened: Opened) -> None:
    async with opened(long) as pilot:
        pilot.app.push_screen(JobScreen(9))
        await settled(pilot)
        screen = pilot.app.screen
        assert isinstance(screen, JobScreen)
        await pilot.press("c", "shift+left", "left")
        await settled(pilot)
        assert screen.cursor == EPOCHS - 11
        assert f"Loss at {EPOCHS - 11}" in screen_text(pilot)
        assert f"{_loss(EPOCHS - 11):.4f}" in screen_text(pilot)
        await pilot.press("plus", "L")
        await settled(pilot)
        assert screen.cursor == EPOCHS - 1
        assert screen.window is not None
        assert screen.window[1] == EPOCHS - 1, "the view goes along"


def test_the_gap_is_read_in_words_where_the_cursor_stands(home: Home) -> None:
    connection = records.connect(home.database)
    job = read(home, 9)
    words = {}
    for epoch in (5.0, 50.0):
        (curve,) = pictures(connection, job, View(cursor=epoch), ["gap"])["gap"].curves
        words[epoch] = (curve.value, curve.note)
    (now,) = pictures(connection, job, View(), ["gap"])["gap"].curves
    connection.close()
    assert words[5.0][1] == "✓ good fit"
    assert words[50.0][1] == now.note == "✗ overfitting"
