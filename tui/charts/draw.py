"""Drawing curves with plotext onto a sheet of characters.

plotext 5.3.2 raises on infinities, on the logarithm of 0 and on empty axes, and chooses ticks like 0.917; so it gets
finite, already scaled segments, fixed limits and our ticks, and we read its matrix of cells instead of its ANSI text.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from tui.charts.picture import AXIS, COLOURS, FAINT, MARK, NONE, TEXT, Axes, Curve, Grid, Mark, glyph, to_ansi
from tui.charts.scale import Unit, labels, limits, number, ticks

__all__ = ["Axes", "Curve", "Mark", "Unit", "draw", "paint"]

_PLOTEXT = threading.Lock()  # its caches and defaults are shared by every figure
_LARGEST = 1e100  # a loss beyond this is no reading, and its square or ticks would overflow
_INK_CODE = 40  # inks travel through plotext as palette numbers from here on
_ASCII = str.maketrans("│─┤├┬┴┼└┌┐┘┊★°…·", "|-+++++++++:*  .")


def draw(
    curves: Sequence[Curve],
    *,
    width: int,
    height: int,
    title: str = "",
    y_label: str = "",
    log_y: bool = False,
    colour: bool = True,
    unicode: bool = True,
    markers: Sequence[Mark] = (),
    axes: Axes | None = None,
) -> str:
    """A chart of `width` x `height` cells as text, with ANSI colours when `colour`.

    Never raises on empty, single-point, constant, NaN or infinite series; with `log_y` values up to 0 are left out.
    """
    chosen = replace(axes, log_y=axes.log_y or log_y) if axes is not None else Axes(log_y=log_y)
    heading = " ".join(part for part in (title, y_label and f"({y_label})") if part)
    return to_ansi(paint(curves, width, height, heading, chosen, unicode, markers), colour)


def paint(
    curves: Sequence[Curve],
    width: int,
    height: int,
    title: str = "",
    axes: Axes | None = None,
    unicode: bool = True,
    marks: Sequence[Mark] = (),
) -> Grid:
    """The same chart as a sheet of cells: a heading with the legend, then the axes and the curves."""
    axes = axes or Axes()
    sheet = Grid(max(width, 0), max(height, 0))
    if width < 4 or height < 1:
        return sheet
    _heading(sheet, title, curves, axes, unicode)
    clean = [_transformed(curve, axes) for curve in curves]
    if height >= 4 and width >= 16:
        if any(curve.xs for curve in clean):
            _plot(sheet, clean, axes, unicode, marks)
        else:
            hint = "no readings yet" if not any(len(curve.xs) for curve in curves) else "no finite values"
            sheet.write(height // 2, max(0, (width - len(hint)) // 2), hint, AXIS)
    if not unicode:
        sheet.characters = [[character.translate(_ASCII) for character in row] for row in sheet.characters]
    return sheet


def _heading(sheet: Grid, title: str, curves: Sequence[Curve], axes: Axes, unicode: bool) -> None:
    column = sheet.write(0, 0, title, TEXT)
    if axes.log_y:
        column = sheet.write(0, column, " log", AXIS)
    for curve, said in _legend(curves, axes, sheet.width - column):
        if column + len(said) + 4 > sheet.width:
            continue
        ink = curve.colour % COLOURS
        column = sheet.write(0, column + 2, glyph(curve.colour, unicode), ink)
        column = sheet.write(0, column + 1, said, ink)
        if curve.note and column + len(curve.note) + 1 <= sheet.width:
            column = sheet.write(0, column + 1, curve.note, TEXT)
    unit = {Unit.EPOCH: "epoch", Unit.STEP: "step", Unit.SECONDS: "time"}.get(axes.x, "")
    if column + len(unit) + 3 <= sheet.width:
        sheet.write(0, sheet.width - len(unit), unit, AXIS)


def _legend(curves: Sequence[Curve], axes: Axes, room: int) -> list[tuple[Curve, str]]:
    """Each curve's name and reading; where room is short the last ones are only named, if that is enough."""
    named = [
        curve for curve in sorted(curves, key=lambda curve: curve.faint) if not curve.faint or curve.value is not None
    ]
    full = [_named(curve, axes) for curve in named]
    for kept in range(len(full), -1, -1):
        said = full[:kept] + [curve.name for curve in named[kept:]]
        if sum(len(text) + 4 for text in said) <= room:
            return list(zip(named, said, strict=True))
    return list(zip(named, full, strict=True))


def _named(curve: Curve, axes: Axes) -> str:
    last = curve.value if curve.value is not None else next((y for y in reversed(curve.ys) if _finite(y)), None)
    return f"{curve.name} {number(last, axes.y)}" if last is not None else curve.name


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _transformed(curve: Curve, axes: Axes) -> Curve:
    """Within the window; gaps as NaN, kept single; y as its logarithm when the axis says so."""
    xs: list[float] = []
    ys: list[float | None] = []
    low, high = axes.window or (-math.inf, math.inf)
    for x, y in zip(curve.xs, curve.ys, strict=False):
        if not math.isfinite(x) or not low <= x <= high:
            continue
        if y is None or not math.isfinite(y) or abs(y) > _LARGEST or (axes.log_y and y < 1 / _LARGEST):
            if ys and ys[-1] is not None:
                xs.append(x)
                ys.append(None)
            continue
        xs.append(float(x))
        ys.append(math.log10(y) if axes.log_y else float(y) if abs(y) > 1 / _LARGEST else 0.0)
    return replace(curve, xs=xs, ys=ys)


def _plot(sheet: Grid, curves: Sequence[Curve], axes: Axes, unicode: bool, marks: Sequence[Mark]) -> None:
    shown = [y for curve in curves for y in curve.ys if y is not None]
    wanted = [math.log10(v) if axes.log_y and v > 0 else v for v in axes.least if not axes.log_y or v > 0]
    y_range = axes.y_limits if axes.y_limits and not axes.log_y else _y_range([*shown, *wanted], axes)
    x_range = axes.window or _x_range(curves)
    height = sheet.height - 1
    y_ticks = _log_ticks(*y_range) if axes.log_y else _y_ticks(*y_range, height - 2, axes.y)
    y_labels = labels([10.0**tick for tick in y_ticks] if axes.log_y else y_ticks, axes.y)
    left = max((len(label) for label in y_labels), default=0)
    canvas_width = sheet.width - left - 1
    x_ticks = [x for x in ticks(*x_range, max(1, canvas_width // 8), axes.x) if x >= x_range[0]]
    with _PLOTEXT:
        figure = _figure(curves, sheet.width, height, unicode)
        figure.ylim(*y_range)
        figure.xlim(*x_range)
        dots = _dots(unicode)
        rows, columns = range(height - 2), range(canvas_width)
        figure.yticks(_on_cells(y_ticks, y_range, rows, dots[1]), [label.rjust(left) for label in y_labels])
        figure.xticks(_on_cells(x_ticks, x_range, columns, dots[0]), labels(x_ticks, axes.x))
        figure.build()
        matrix = figure.monitor.matrix
    _copy(sheet, matrix)
    _decorate(sheet, _Frame(matrix, x_range, y_range, unicode), curves, axes, unicode, marks)


def _y_range(values: Sequence[float], axes: Axes) -> tuple[float, float]:
    low, high = limits(values)
    if axes.y is Unit.PERCENT and not axes.log_y:  # no share is above 1; only a difference of shares is below 0
        return (max(0.0, low) if min(values) >= 0 else low), min(1.0, high) if max(values) <= 1 else high
    return low, high


def _x_range(curves: Sequence[Curve]) -> tuple[float, float]:
    xs = [x for curve in curves for x in (*curve.xs[:1], *curve.xs[-1:])]
    low, high = min(xs), max(xs)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _y_ticks(low: float, high: float, rows: int, unit: Unit) -> list[float]:
    """Few enough to stand evenly, each on a row of its own, and at least two where round numbers allow it."""
    count = max(3, min(7, (rows + 2) // 3))
    found = ticks(low, high, count, unit)
    finer = ticks(low, high, 2 * count, unit) if len(found) < 2 else []
    for some in (finer, found, found[::2]):
        if some and all((after - before) / (high - low) * (rows - 1) >= 1 for before, after in pairwise(some)):
            return some
    return found[:1]


def _log_ticks(low: float, high: float) -> list[float]:
    decades = [float(power) for power in range(math.ceil(low), math.floor(high) + 1)]
    if len(decades) >= 2:
        return decades[:: max(1, len(decades) // 5)]
    fine = [
        math.log10(factor * 10.0**power)
        for power in range(math.floor(low), math.ceil(high) + 1)
        for factor in (1, 2, 5)
    ]
    return [tick for tick in sorted(set(fine)) if low <= tick <= high] or [(low + high) / 2]


def _figure(curves: Sequence[Curve], width: int, height: int, unicode: bool) -> Any:
    from plotext._figure import _figure_class

    figure = _figure_class()
    figure._limit_size(False, False)
    figure.plot_size(width, height)
    figure.theme("clear")
    figure.xaxes(True, False)
    figure.yaxes(True, False)
    for curve in sorted(curves, key=lambda curve: not curve.faint):
        ink = curve.colour % COLOURS + (FAINT if curve.faint else 0)
        marker = "braille" if unicode else ("." if curve.faint else glyph(curve.colour, False))
        for xs, ys in _segments(curve):
            figure.plot(xs, ys, marker=marker, color=_INK_CODE + ink)
    return figure


def _segments(curve: Curve) -> list[tuple[list[float], list[float]]]:
    """The stretches between gaps."""
    edges = [-1, *(i for i, y in enumerate(curve.ys) if y is None), len(curve.ys)]
    stretches = [
        (list(curve.xs[a + 1 : b]), [y for y in curve.ys[a + 1 : b] if y is not None]) for a, b in pairwise(edges)
    ]
    return [(xs, ys) for xs, ys in stretches if xs]


def _copy(sheet: Grid, matrix: Any) -> None:
    """plotext counts rows upwards; its lowest belongs at the foot of the sheet."""
    for row in range(min(matrix.rows, sheet.height - 1)):
        target = sheet.height - 1 - row
        for column in range(min(matrix.cols, sheet.width)):
            character, colour = matrix.marker[row][column], matrix.fullground[row][column]
            is_curve = isinstance(colour, int) and colour >= _INK_CODE
            ink = colour - _INK_CODE if is_curve else (NONE if character == " " else AXIS)
            sheet.put(target, column, " " if character == "⠀" else character, ink)


class _Frame:
    """Where the canvas lies on the sheet, to find the cell of a point: the one that plotext draws it into."""

    def __init__(self, matrix: Any, x_range: tuple[float, float], y_range: tuple[float, float], unicode: bool) -> None:
        self._dots = _dots(unicode)
        self.columns: range = matrix.Cols_canvas
        self.rows: range = matrix.Rows_canvas
        self.x_range, self.y_range = x_range, y_range

    def column(self, x: float) -> int | None:
        return _cell(x, self.x_range, self.columns, self._dots[0])

    def row(self, y: float, height: int) -> int | None:
        cell = _cell(y, self.y_range, self.rows, self._dots[1])
        return None if cell is None else height - 1 - cell


def _dots(unicode: bool) -> tuple[int, int]:
    """Of a cell, across and down: braille has eight."""
    return (2, 4) if unicode else (1, 1)


def _on_cells(values: Sequence[float], span: tuple[float, float], cells: range, dots: int) -> list[float]:
    """Where plotext, which rounds ticks by cells and curves by dots, puts a tick into the cell of its value."""
    places = (_cell(value, span, cells, dots) or 0 for value in values)
    return [span[0] + place / max(1, len(cells) - 1) * (span[1] - span[0]) for place in places]


def _cell(value: float, span: tuple[float, float], cells: range, dots: int) -> int | None:
    share = (value - span[0]) / (span[1] - span[0])
    if not cells or not -1e-9 <= share <= 1 + 1e-9:
        return None
    last = len(cells) * dots - 1
    return cells.start + min(last, max(0, math.floor(round(0.5 + share * last, 8)))) // dots


def _decorate(
    sheet: Grid, frame: _Frame, curves: Sequence[Curve], axes: Axes, unicode: bool, marks: Sequence[Mark]
) -> None:
    """Glyphs along the curves, then vertical lines behind them, then the marked points above all."""
    for mark in (mark for mark in marks if mark.y is None):
        _vertical(sheet, frame, mark)
    solid = [curve for curve in curves if not curve.faint]
    for place, curve in enumerate(solid):
        _stud(sheet, frame, curve, place, len(solid), unicode)
    for mark in (mark for mark in marks if mark.y is not None):
        _point(sheet, frame, mark, axes)


def _vertical(sheet: Grid, frame: _Frame, mark: Mark) -> None:
    column = frame.column(mark.x)
    if column is None:
        return
    for row in frame.rows:
        if sheet.characters[sheet.height - 1 - row][column] == " ":
            sheet.put(sheet.height - 1 - row, column, mark.glyph, MARK if mark.glyph == "│" else AXIS)
    cells = slice(column + 1, column + 2 + len(mark.label))
    if mark.label and column + 1 + len(mark.label) <= sheet.width:
        tops = range(sheet.height - frame.rows.stop, sheet.height - frame.rows.start)
        free = (row for row in tops if not "".join(sheet.characters[row][cells]).strip())
        for place in list(free)[:1]:  # the highest that no curve goes through
            sheet.write(place, column + 1, mark.label, AXIS)


def _stud(sheet: Grid, frame: _Frame, curve: Curve, place: int, of: int, unicode: bool) -> None:
    """A glyph every dozen columns, each curve's shifted, so that curves differ without colour too."""
    if not frame.columns or (of == 1 and len(curve.xs) > 1):
        return
    stride = max(8, len(frame.columns) // 6)
    shift = place * stride // max(1, of)
    points = {frame.column(x): y for x, y in zip(curve.xs, curve.ys, strict=True) if y is not None}
    columns = sorted(column for column in points if column is not None)
    following = frame.columns.start + shift
    for column in columns:
        if column < following and len(columns) > 1:
            continue
        y = points[column]
        row = None if y is None else frame.row(y, sheet.height)
        if row is not None:
            sheet.put(row, column, glyph(curve.colour, unicode), curve.colour % COLOURS)
        following = column + stride


def _point(sheet: Grid, frame: _Frame, mark: Mark, axes: Axes) -> None:
    if mark.y is None or not math.isfinite(mark.y) or (axes.log_y and mark.y <= 0):
        return
    column = frame.column(mark.x)
    row = frame.row(math.log10(mark.y) if axes.log_y else mark.y, sheet.height)
    if column is not None and row is not None:
        sheet.put(row, column, mark.glyph, MARK if mark.curve is None else mark.curve % COLOURS)
