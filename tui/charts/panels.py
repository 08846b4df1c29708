"""From a job's records to pictures: which series a chart shows, in which units, and what is marked on it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from db import records
from db.records import JobRecord, Series
from tui.charts.picture import Axes, Curve, Mark, Picture
from tui.charts.scale import Unit
from tui.charts.smooth import smooth

TRAIN, VAL, EMA = 0, 1, 2  # colours of the splits, the same in every chart
MEMORY = ("allocated", "reserved", "peak", "device_used", "resident")


@dataclass(frozen=True)
class View:
    """How the person wants to look: how many columns there are, smoothing 0..1, log y, the part of x."""

    columns: int = 200
    smoothing: float = 0.0
    log_y: bool = False
    window: tuple[float, float] | None = None
    cursor: float | None = None
    x_axis: str = "epoch"  # or "step", "time"


def pictures(conn: sqlite3.Connection, job: JobRecord, view: View, keys: Sequence[str]) -> dict[str, Picture]:
    """The charts named by `keys`: loss, accuracy, f1, lr, gap, memory, utilization, temperature, speed."""
    makers = {"loss": _loss, "accuracy": _accuracy, "f1": _f1, "lr": _lr, "gap": _gap, "speed": _speed}
    found = {key: makers[key](conn, job, view) for key in keys if key in makers}
    if machine := [key for key in keys if key not in makers]:
        readings = records.samples(conn, job.id, columns=view.columns)
        found |= {key: _machine(key, readings) for key in machine}
    return {key: found[key] for key in keys}


def _read(conn: sqlite3.Connection, job: JobRecord, view: View, names: dict[str, tuple[str, int]]) -> list[Curve]:
    curves = []
    for key, (label, colour) in names.items():
        split, name = key.split("/")
        series = records.series(conn, job.id, split, name, columns=view.columns)
        curves += _curves(series, label, colour, view)
    return curves


def _curves(series: Series, label: str, colour: int, view: View) -> list[Curve]:
    """A smoothed curve keeps its raw readings faintly behind it."""
    if not series.xs:
        return []
    raw = Curve(label, series.xs, series.ys, colour)
    if view.smoothing <= 0:
        return [raw]
    calm = tuple(smooth(series.xs, series.ys, view.smoothing))
    return [Curve(label, series.xs, series.ys, colour, faint=True), Curve(label, series.xs, calm, colour)]


def _picture(title: str, curves: list[Curve], axes: Axes, marks: list[Mark], view: View) -> Picture:
    if view.cursor is not None:
        marks = [*marks, Mark(view.cursor, glyph="│")]
    return Picture(title, tuple(curves), axes, tuple(marks))


def _loss(conn: sqlite3.Connection, job: JobRecord, view: View) -> Picture:
    curves = _read(
        conn, job, view, {"train/loss": ("train", TRAIN), "val/loss": ("val", VAL), "ema/loss": ("ema", EMA)}
    )
    within = records.series(conn, job.id, "step", "loss", columns=view.columns)
    if within.xs and not any(curve.name == "train" for curve in curves):
        curves = [*_curves(within, "train", TRAIN, view), *curves]
    elif within.xs:
        curves = [Curve("step", within.xs, within.ys, TRAIN, faint=True), *(c for c in curves)]
    return _picture("Loss", curves, Axes(log_y=view.log_y, window=view.window), _stage_marks(job), view)


def _accuracy(conn: sqlite3.Connection, job: JobRecord, view: View) -> Picture:
    names = {"train/accuracy": ("train", TRAIN), "val/accuracy": ("val", VAL), "ema/accuracy": ("ema", EMA)}
    marks = _stage_marks(job)
    if job.best_accuracy is not None and job.best_epoch:
        marks.append(Mark(job.best_epoch, job.best_accuracy, glyph="★"))
    return _picture("Accuracy", _read(conn, job, view, names), _shares(view), marks, view)


def _f1(conn: sqlite3.Connection, job: JobRecord, view: View) -> Picture:
    names = {"train/f1": ("train", TRAIN), "val/f1": ("val", VAL), "ema/f1": ("ema", EMA)}
    return _picture("Macro F1", _read(conn, job, view, names), _shares(view), _stage_marks(job), view)


def _shares(view: View) -> Axes:
    return Axes(Unit.PERCENT, log_y=view.log_y, window=view.window)


def _lr(conn: sqlite3.Connection, job: JobRecord, view: View) -> Picture:
    """Within-epoch readings where there are any: a warm-up is often over before the first epoch is."""
    curves = _read(conn, job, View(view.columns), {"step/lr": ("lr", 3)})
    curves = curves or _read(conn, job, View(view.columns), {"run/lr": ("lr", 3)})
    axes = Axes(log_y=view.log_y, window=view.window, least=(0.0,))
    return _picture("Learning rate", curves, axes, [*_warmup_marks(job), *_stage_marks(job)], view)


def _gap(conn: sqlite3.Connection, job: JobRecord, view: View) -> Picture:
    curves = _read(conn, job, view, {"run/gap": ("gap", 5)})
    axes = Axes(Unit.PERCENT, window=view.window, least=(0.0, 0.05, 0.10))
    title = "Train − val accuracy"
    if curves and (word := gap_reading(_last(curves[-1]))):
        title = f"{title}  {word}"
    return _picture(title, curves, axes, _stage_marks(job), view)


def _speed(conn: sqlite3.Connection, job: JobRecord, view: View) -> Picture:
    curves = _read(conn, job, view, {"step/images_per_second": ("images/s", 6)})
    curves = curves or _read(conn, job, view, {"run/images_per_second": ("images/s", 6)})
    return _picture("Speed", curves, Axes(window=view.window, least=(0.0,)), [], view)


def _machine(key: str, readings: dict[str, Series]) -> Picture:
    if key == "memory":
        names = [name for name in MEMORY if name in readings]
        labels = {"device_used": "device", "resident": "process"}
        curves = [
            Curve(labels.get(name, name), readings[name].xs, readings[name].ys, MEMORY.index(name)) for name in names
        ]
        return Picture("Memory", tuple(curves), Axes(Unit.BYTES, Unit.SECONDS, least=(0.0,)))
    unit = {"utilization": Unit.PERCENT, "temperature": Unit.CELSIUS, "power": Unit.WATT}[key]
    title = {"utilization": "Device use", "temperature": "Temperature", "power": "Power"}[key]
    drawn = [Curve("", readings[key].xs, readings[key].ys, 6)] if key in readings else []
    return Picture(title, tuple(drawn), Axes(unit, Unit.SECONDS, least=(0.0, 1.0) if key == "utilization" else (0.0,)))


def reach_of(job: JobRecord, x_axis: str) -> tuple[float, float]:
    """How far x goes: epochs, optimiser steps, or seconds since the start."""
    if x_axis == "step":
        return 0.0, float(max(1, job.step))
    if x_axis == "time":
        end = job.finished_at or job.progress_at or job.started_at or 1.0
        return 0.0, max(1.0, end - (job.started_at or 0.0))
    return 0.0, float(max(1, job.epoch))


def gap_reading(gap: float | None) -> str:
    """What the train-validation gap says: under 5 points, 5 to 10, above."""
    if gap is None:
        return ""
    if gap < 0.05:
        return "✓ good fit"
    return "▲ slight overfitting" if gap <= 0.10 else "✗ overfitting"


def _last(curve: Curve) -> float | None:
    return next((y for y in reversed(curve.ys) if y is not None), None)


def _stage_marks(job: JobRecord) -> list[Mark]:
    return [Mark(start, label=name) for start, _warm, name in _stages(job.recipe) if start > 0]


def _warmup_marks(job: JobRecord) -> list[Mark]:
    return [Mark(start + warm, label="warm-up ends") for start, warm, _name in _stages(job.recipe) if warm > 0]


@lru_cache(64)
def _stages(recipe: str) -> tuple[tuple[float, float, str], ...]:
    """(epochs before it, its warm-up epochs, name) of every stage of a frozen recipe; nothing when unreadable."""
    from pydantic import ValidationError

    from recipes.recipe import Recipe

    try:
        plans = Recipe.model_validate_json(recipe).plan()
    except (ValidationError, ValueError):
        return ()
    starts = [float(sum(plan.epochs for plan in plans[:index])) for index in range(len(plans))]
    return tuple((s, min(p.schedule.warmup_epochs, p.epochs), p.name) for s, p in zip(starts, plans, strict=True))
