"""The chart's cursor: what was recorded nearest to it, read exactly, however thinned the curves are."""

from __future__ import annotations

import math
import sqlite3
from dataclasses import replace

from db import records
from db.curves import READINGS
from tui.charts.picture import Curve, Mark, Picture
from tui.charts.scale import number


def read_out(conn: sqlite3.Connection, job_id: int, picture: Picture, at: float | None, x_axis: str) -> Picture:
    """With the cursor's line at x = `at`, and each curve's reading there in the legend; None: the picture as it is.

    Readings come from the database, neither smoothed nor thinned; one that was not finite reads "nan".
    """
    if at is None:
        return picture
    drawn = {curve.series for curve in picture.curves if not curve.faint}
    known = _samples(conn, job_id, at, drawn) if drawn & set(READINGS) else _metrics(conn, job_id, at, x_axis, picture)
    curves = tuple(
        curve if curve.faint and curve.series in drawn else _told(curve, known.get(curve.series))
        for curve in picture.curves
    )
    title = f"{picture.title} at {number(at, picture.axes.x)}"
    return replace(picture, title=title, curves=curves, marks=(*picture.marks, Mark(at, glyph="│")))


def _told(curve: Curve, value: float | None) -> Curve:
    return replace(curve, value=value, note=gap_reading(value) if curve.series == "run/gap" else curve.note)


def gap_reading(gap: float | None) -> str:
    """What the train-validation gap says: under 5 points, 5 to 10, above."""
    if gap is None or math.isnan(gap):
        return ""
    if gap < 0.05:
        return "✓ good fit"
    return "▲ slight overfitting" if gap <= 0.10 else "✗ overfitting"


def _samples(conn: sqlite3.Connection, job_id: int, at: float, names: set[str]) -> dict[str, float | None]:
    found = records.sample_at(conn, job_id, at)
    return {name: found.get(name, math.nan) for name in names}


def _metrics(
    conn: sqlite3.Connection, job_id: int, at: float, x_axis: str, picture: Picture
) -> dict[str, float | None]:
    by, x = {"step": ("step", at), "time": ("at", at + _start(conn, job_id))}.get(x_axis, ("epoch", at))
    known: dict[str, float | None] = {}
    for curve in _of_metrics(picture):
        split, name = curve.series.split("/")
        found = records.reading(conn, job_id, split, name, x, by=by)
        if found is not None:
            known[curve.series] = math.nan if found[1] is None else found[1]
    return known


def _of_metrics(picture: Picture) -> list[Curve]:
    return [curve for curve in picture.curves if "/" in curve.series]


def _start(conn: sqlite3.Connection, job_id: int) -> float:
    """When the time axis begins, in Unix seconds: the first reading, as `tui.charts.panels.Ruler` has it."""
    first = records.places(conn, job_id, columns=1)
    return first[0][2] if first else 0.0
