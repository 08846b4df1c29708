"""Curves of several jobs over each other in one picture."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace

from db import records
from tui.charts.panels import Ruler, View, smoothed, titled
from tui.charts.picture import Axes, Curve, Mark, Picture
from tui.charts.read_out import read_out
from tui.charts.readings import FINE
from tui.charts.scale import Unit, number

X_UNITS = {"step": Unit.STEP, "time": Unit.SECONDS}


def overlaid(
    conn: sqlite3.Connection, jobs: Sequence[tuple[int, int]], path: str, title: str, unit: Unit, view: View
) -> Picture:
    """The metric `path`, such as ``val/accuracy``, of each job given by its id and its colour.

    With a cursor each job's own reading there is in the legend, and where its curve has ended before, that it has.
    Where x counts time, each run begins at 0.
    """
    axes = Axes(unit, X_UNITS.get(view.x_axis, Unit.EPOCH), log_y=view.log_y, window=view.window)
    curves: list[Curve] = []
    for job_id, colour in jobs:
        series = records.series(conn, job_id, *path.split("/"), columns=view.columns)
        part = Picture(title, tuple(smoothed(series, f"#{job_id}", colour, view)), axes)
        if view.x_axis != "epoch":
            places = records.places(conn, job_id, columns=min(view.columns, FINE))
            part = Ruler(places, view.x_axis).laid_on(part)
        ends = max((curve.xs[-1] for curve in part.curves if curve.xs), default=0.0)
        if view.cursor is not None and view.cursor > ends + 1e-9:
            curves += [replace(curve, note=f"(ended at {number(ends, axes.x)})") for curve in part.curves]
        else:
            curves += read_out(conn, job_id, part, view.cursor, view.x_axis).curves
    whole = titled(title, curves, axes, (), view)
    if view.cursor is None:
        return whole
    return replace(
        whole, title=f"{whole.title} at {number(view.cursor, axes.x)}", marks=(Mark(view.cursor, glyph="│"),)
    )
