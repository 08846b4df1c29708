"""Charts: what is drawn, and that nothing a series can hold makes them fail."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tui.charts.draw import Axes, Curve, Mark, Unit, draw, paint
from tui.charts.scale import labels, limits, ticks

VALUES = st.one_of(
    st.none(), st.floats(allow_nan=True, allow_infinity=True), st.sampled_from([0.0, 1.0, -1.0, 1e-320, 1e300])
)


@settings(max_examples=80, deadline=None)
@given(
    ys=st.lists(st.lists(VALUES, max_size=30), max_size=3),
    width=st.integers(0, 90),
    height=st.integers(0, 20),
    log_y=st.booleans(),
    unicode=st.booleans(),
    unit=st.sampled_from(list(Unit)),
)
def test_any_series_draws_and_fits_its_place(
    ys: list[list[float | None]], width: int, height: int, log_y: bool, unicode: bool, unit: Unit
) -> None:
    curves = [Curve(f"c{i}", [float(x) for x in range(len(values))], values, i) for i, values in enumerate(ys)]
    text = draw(
        curves,
        width=width,
        height=height,
        title="t",
        log_y=log_y,
        unicode=unicode,
        colour=False,
        axes=Axes(unit, Unit.EPOCH),
        markers=[Mark(1.0, label="here"), Mark(1.0, 0.5, glyph="★")],
    )
    lines = text.split("\n")
    assert len(lines) == max(height, 1)
    assert all(len(line) <= width for line in lines)
    assert unicode or text.isascii()


@pytest.mark.parametrize("ys", [[], [None], [math.nan, math.inf]])
def test_nothing_to_draw_is_said(ys: list[float | None]) -> None:
    assert re.search("no (readings yet|finite values)", draw([Curve("a", range(len(ys)), ys)], width=40, height=8))


@pytest.mark.parametrize("ys", [[0.5], [2.0, 2.0, 2.0], [0.0, 0.0]])
def test_one_point_and_a_constant_are_drawn_in_the_middle(ys: list[float]) -> None:
    grid = paint([Curve("a", range(len(ys)), ys)], 40, 9)
    rows = [row for row in range(1, 8) if any(ink == 0 for ink in grid.inks[row])]
    assert rows
    assert all(2 <= row <= 6 for row in rows)


def test_curves_differ_without_colour() -> None:
    xs = [float(x) for x in range(50)]
    curves = [Curve("train", xs, [x / 50 for x in xs], 0), Curve("val", xs, [1 - x / 50 for x in xs], 1)]
    text = draw(curves, width=70, height=12, colour=False)
    assert "\x1b" not in text
    assert text.count("●") >= 3
    assert text.count("▲") >= 3


def test_a_gap_stays_a_gap() -> None:
    ys = [0.5 if x < 10 or x >= 40 else None for x in range(50)]
    grid = paint([Curve("a", range(50), ys)], 60, 8)
    inked = {column for row in range(1, 8) for column in range(60) if grid.inks[row][column] == 0}
    assert inked
    assert not inked & set(range(20, 46))


def test_the_logarithm_leaves_out_what_has_none() -> None:
    text = draw([Curve("loss", range(5), [0.0, 1.0, 10.0, 100.0, -3.0])], width=50, height=10, log_y=True, colour=False)
    assert "100" in text
    assert "log" in text


def test_a_window_shows_only_its_part_of_x() -> None:
    text = draw([Curve("a", range(100), range(100))], width=60, height=10, colour=False, axes=Axes(window=(40, 60)))
    foot = text.split("\n")[-1]
    assert [int(number) for number in foot.split()] == [40, 45, 50, 55, 60]


@example(low=879609.9999999999, span=1e-06, count=6)
@given(low=st.floats(-1e6, 1e6), span=st.floats(1e-6, 1e6), count=st.integers(1, 12))
def test_ticks_lie_within_the_axis_and_are_told_apart(low: float, span: float, count: int) -> None:
    found = ticks(low, low + span, count)
    slack = span * 1e-6 + 4 * math.ulp(max(abs(low), abs(low + span)))  # a float has no finer grain there
    assert all(low - slack <= tick <= low + span + slack for tick in found)
    assert len(found) <= count + 1


def test_ticks_are_round_and_labelled_alike() -> None:
    assert labels(ticks(0.03, 0.97, 5)) == ["0.2", "0.4", "0.6", "0.8"]
    assert labels(ticks(0, 1, 4, Unit.PERCENT), Unit.PERCENT) == ["0%", "50%", "100%"]
    assert labels(ticks(1, 12, 6, Unit.EPOCH), Unit.EPOCH) == ["2", "4", "6", "8", "10", "12"]
    assert labels(ticks(0, 3600, 4, Unit.SECONDS), Unit.SECONDS) == ["0s", "15m", "30m", "45m", "1h"]
    assert labels([1e9, 1.5e9], Unit.BYTES) == ["1.0 GB", "1.5 GB"]


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True)))
def test_limits_hold_every_finite_value(values: list[float]) -> None:
    low, high = limits(values)
    assert low < high or any(abs(value) > 1e307 for value in values if math.isfinite(value))


def test_charts_need_no_textual() -> None:
    code = "import sys, tui.charts.draw as d; d.draw([d.Curve('a', [1, 2], [1, 2])], width=40, height=8); " + (
        "print([m for m in ('textual', 'torch', 'sqlmodel') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("unicode", [True, False])
@given(ys=st.lists(st.floats(0, 1), min_size=20, max_size=40, unique=True), height=st.integers(6, 30))
@settings(max_examples=30, deadline=None)
def test_the_signs_of_a_curve_stand_on_it(ys: list[float], height: int, unicode: bool) -> None:
    xs = [float(x) for x in range(len(ys))]
    curves = [Curve("a", xs, ys, 0), Curve("b", xs, [5.0] * len(xs), 1)]
    bare = paint([curves[0], replace(curves[1], faint=True)], 70, height, unicode=unicode)  # one curve has no signs
    signed = paint(curves, 70, height, unicode=unicode)
    for row, column in ((row, column) for row in range(1, height) for column in range(70)):
        if signed.characters[row][column] == "●":
            assert bare.inks[row][column] == 0


def test_a_short_legend_names_every_curve() -> None:
    curves = [Curve(name, [0.0, 1.0], [1.0, 2.0], i) for i, name in enumerate(("allocated", "reserved", "peak"))]
    whole = draw(curves, width=70, height=8, colour=False).split("\n")[0]
    short = draw(curves, width=40, height=8, colour=False).split("\n")[0]
    assert whole.split() == ["●", "allocated", "2.0000", "▲", "reserved", "2.0000", "■", "peak", "2.0000", "epoch"]
    assert short.split() == ["●", "allocated", "2.0000", "▲", "reserved", "■", "peak"]


@pytest.mark.parametrize("height", range(5, 40))
def test_every_tick_has_a_row_of_its_own(height: int) -> None:
    lines = draw([Curve("a", [0.0, 1.0], [0.23, 0.87])], width=60, height=height, colour=False).split("\n")[1:]
    said = [float(found[1]) for line in lines if (found := re.match(r" *([0-9.]+)┤", line))]
    assert said == sorted(said, reverse=True)
    gaps = {round(before - after, 6) for before, after in pairwise(said)}
    assert said
    assert len(gaps) <= 1


@pytest.mark.parametrize("unicode", [True, False])
@pytest.mark.parametrize("height", range(6, 24))
def test_a_label_stands_where_its_value_is_drawn(height: int, unicode: bool) -> None:
    whole = Curve("a", [0.0, 40.0], [0.52, 0.93])
    lines = ["".join(row) for row in paint([whole], 60, height, unicode=unicode).characters]
    heights = {float(said[1]): row for row, line in enumerate(lines) if (said := re.match(r" *([0-9.]+)[┤+]", line))}
    for value, row in heights.items():
        assert _inked(whole, Curve("b", [10.0, 30.0], [value] * 2, 1), height, unicode)[0] == {row}
    _corner, *ticks = (column for column, sign in enumerate(lines[-2]) if sign in "└┬+")
    for value, column in zip(map(float, lines[-1].split()), ticks, strict=True):
        assert _inked(whole, Curve("b", [value] * 2, [0.6, 0.8], 1), height, unicode)[1] == {column}
    assert heights


def _inked(other: Curve, curve: Curve, height: int, unicode: bool) -> tuple[set[int], set[int]]:
    """Rows and columns in which `curve` is drawn beside another."""
    inks = paint([replace(other, faint=True), curve], 60, height, unicode=unicode).inks
    cells = [(row, column) for row in range(1, height) for column in range(60) if inks[row][column] == 1]
    return {row for row, _ in cells}, {column for _, column in cells}


def test_a_mark_is_named_below_a_curve_that_lies_above_it() -> None:
    high = Curve("lr", [0.0, 1.0, 10.0], [0.0, 1.0, 1.0])
    lines = draw([high], width=60, height=12, colour=False, markers=[Mark(1.0, label="warm-up ends")]).split("\n")
    assert [line.count("warm-up ends") for line in lines].count(1) == 1
    assert "warm-up ends" not in lines[1]
