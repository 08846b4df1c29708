"""From records to pictures: what each chart shows of a job."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace

import pytest

from db import records
from recipes.home import Home
from tui.charts.album import Album
from tui.charts.panels import Ruler, View, pictures
from tui.charts.read_out import gap_reading
from tui.charts.scale import Unit
from tui.charts.smooth import smooth


@pytest.fixture
def reading(home: Home) -> Iterator[sqlite3.Connection]:
    connection = records.connect(home.database)
    yield connection
    connection.close()


def test_training_and_validation_share_a_chart(reading: sqlite3.Connection) -> None:
    job = records.job(reading, 2)
    loss = pictures(reading, job, View(), ["loss"])["loss"]
    assert [(curve.name, curve.faint) for curve in loss.curves] == [("step", True), ("train", False), ("val", False)]
    assert [mark.label for mark in loss.marks] == ["finetune"]


def test_the_best_epoch_is_marked(reading: sqlite3.Connection) -> None:
    accuracy = pictures(reading, records.job(reading, 2), View(), ["accuracy"])["accuracy"]
    assert [(mark.x, mark.y) for mark in accuracy.marks if mark.glyph == "★"] == [(36, 0.8471)]


def test_the_end_of_the_warm_up_is_marked(reading: sqlite3.Connection) -> None:
    rate = pictures(reading, records.job(reading, 1), View(), ["lr"])["lr"]
    assert ("warm-up ends", 5.0) in [(mark.label, mark.x) for mark in rate.marks]


@pytest.mark.parametrize(
    ("gap", "said"),
    [(0.049, "good fit"), (0.05, "slight overfitting"), (0.10, "slight overfitting"), (0.11, "✗ overfitting")],
)
def test_the_gap_is_read_in_words(gap: float, said: str) -> None:
    assert gap_reading(gap).endswith(said)


def test_the_cursor_reads_the_raw_value_behind_a_smoothed_curve(reading: sqlite3.Connection) -> None:
    job = records.job(reading, 2)
    series = records.series(reading, 2, "val", "loss")
    loss = pictures(reading, job, View(smoothing=0.9, cursor=20.0), ["loss"])["loss"]
    shown = next(curve for curve in loss.curves if curve.name == "val" and not curve.faint)
    assert shown.value == series.ys[series.xs.index(20.0)]
    assert shown.ys != series.ys
    assert loss.title == "Loss ~0.9 at 20"


def test_x_can_count_steps_and_time(reading: sqlite3.Connection) -> None:
    job = records.job(reading, 2)
    steps = pictures(reading, job, View(x_axis="step"), ["accuracy"])["accuracy"]
    assert steps.axes.x is Unit.STEP
    assert steps.curves[0].xs[-1] == pytest.approx(36 * 720)
    time = pictures(reading, job, View(x_axis="time"), ["accuracy"])["accuracy"]
    assert time.axes.x is Unit.SECONDS
    assert time.curves[0].xs[-1] == pytest.approx(36 * 720 - 72)


def test_a_ruler_without_readings_draws_nothing(reading: sqlite3.Connection) -> None:
    accuracy = pictures(reading, records.job(reading, 2), View(), ["accuracy"])["accuracy"]
    assert Ruler([], "step").laid_on(accuracy).curves == ()


def test_a_job_without_records_has_empty_charts(reading: sqlite3.Connection) -> None:
    keys = ["loss", "accuracy", "f1", "lr", "gap", "speed", "memory", "utilization", "temperature", "power"]
    found = pictures(reading, records.job(reading, 3), View(), keys)
    assert list(found) == keys
    assert all(picture.curves == () for picture in found.values())


def test_smoothing_does_not_depend_on_how_densely_a_curve_was_read() -> None:
    dense = [float(x) for x in range(1001)]
    coarse = dense[::10]
    ys = [1.0 - x / 1000 for x in dense]
    fine, rough = smooth(dense, ys, 0.9), smooth(coarse, ys[::10], 0.9)
    assert fine[500] == pytest.approx(rough[50], abs=0.01)
    assert smooth(dense, ys, 0.0) == ys
    assert smooth([0.0, 1.0, 2.0], [1.0, None, 1.0], 0.9) == [1.0, None, 1.0]


def test_a_picture_is_read_once_until_the_job_moves(home: Home) -> None:
    connection = records.connect(home.database)
    album, keys = Album(), ("loss", "accuracy", "memory")
    job = records.job(connection, 2)
    before = album.pictures(connection, job, View(), keys)
    assert before == pictures(connection, job, View(), keys)
    nowhere = sqlite3.connect(":memory:")  # has no tables: whatever is read fails
    assert album.pictures(nowhere, job, View(), keys) == before
    assert album.pictures(connection, job, View(cursor=3.0), keys) == pictures(connection, job, View(cursor=3.0), keys)
    with pytest.raises(sqlite3.OperationalError):
        album.pictures(nowhere, replace(job, step=job.step + 1), View(), keys)
    connection.close()
    nowhere.close()
