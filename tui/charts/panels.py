"""From a job's records to pictures: which series a chart shows, in which units, and what is marked on it."""

from __future__ import annotations

import sqlite3
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from db import records
from db.records import JobRecord, Series
from tui.charts.picture import Axes, Curve, Mark, Picture
from tui.charts.read_out import gap_reading, read_out
from tui.charts.readings import FINE, Readings
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
    """The charts named by `keys`: loss, accuracy, f1, lr, gap, memory, utilization, temperature, power, speed."""
    found = undecorated(Source(conn, Readings()), job, view, keys)
    return {key: read_out(conn, job.id, picture, view.cursor, view.x_axis) for key, picture in found.items()}


@dataclass(frozen=True)
class Source:
    """Where series come from: the database, and what was read of it before."""

    conn: sqlite3.Connection
    readings: Readings

    def series(self, job: JobRecord, split: str, name: str, view: View) -> Series:
        """As dense as the view needs it; only its window where that is much less than all."""
        window = view.window if view.x_axis == "epoch" else None
        columns = view.columns if window else min(view.columns, FINE)
        return self.readings.series(self.conn, job, split, name, columns, window)


def undecorated(source: Source, job: JobRecord, view: View, keys: Sequence[str]) -> dict[str, Picture]:
    """The same without the cursor's reading."""
    makers = {"loss": _loss, "accuracy": _accuracy, "f1": _f1, "lr": _lr, "gap": _gap, "speed": _speed}
    found = {key: makers[key](source, job, view) for key in keys if key in makers}
    if found and view.x_axis != "epoch":
        ruler = Ruler(records.places(source.conn, job.id, columns=min(view.columns, FINE)), view.x_axis)
        found = {key: ruler.laid_on(picture) for key, picture in found.items()}
    if machine := [key for key in keys if key not in makers]:
        readings = records.samples(source.conn, job.id, columns=view.columns)
        found |= {key: _machine(key, readings, view) for key in machine}
    return {key: found[key] for key in keys}


class Ruler:
    """Turns epochs into steps or into seconds since the first reading, straight between the readings."""

    def __init__(self, places: Sequence[tuple[float, int, float]], x_axis: str) -> None:
        self._epochs = [place[0] for place in places]
        start = places[0][2] if places else 0.0
        self._xs = [float(place[1]) if x_axis == "step" else place[2] - start for place in places]
        self._unit = Unit.STEP if x_axis == "step" else Unit.SECONDS

    def laid_on(self, picture: Picture) -> Picture:
        """The picture with x in this unit."""
        if len(self._epochs) < 2:
            return replace(picture, curves=(), marks=())
        curves = tuple(replace(curve, xs=tuple(map(self.at, curve.xs))) for curve in picture.curves)
        marks = tuple(replace(mark, x=self.at(mark.x)) for mark in picture.marks)
        return replace(picture, curves=curves, marks=marks, axes=replace(picture.axes, x=self._unit))

    def at(self, epoch: float) -> float:
        """x of an epoch; before the first reading and after the last it goes on straight."""
        right = min(max(bisect_left(self._epochs, epoch), 1), len(self._epochs) - 1)
        (e0, e1), (x0, x1) = self._epochs[right - 1 : right + 1], self._xs[right - 1 : right + 1]
        return x0 if e1 == e0 else x0 + (x1 - x0) * (epoch - e0) / (e1 - e0)


def _read(source: Source, job: JobRecord, view: View, names: dict[str, tuple[str, int]]) -> list[Curve]:
    curves = []
    for key, (label, colour) in names.items():
        split, name = key.split("/")
        series = source.series(job, split, name, view)
        curves += smoothed(series, label, colour, view)
    return curves


def smoothed(series: Series, label: str, colour: int, view: View) -> list[Curve]:
    """A smoothed curve keeps its raw readings faintly behind it."""
    if not series.xs:
        return []
    raw = Curve(label, series.xs, series.ys, colour, series=series.name)
    if view.smoothing <= 0:
        return [raw]
    calm = tuple(smooth(series.xs, series.ys, view.smoothing))
    return [replace(raw, faint=True), replace(raw, ys=calm)]


def titled(title: str, curves: Sequence[Curve], axes: Axes, marks: Sequence[Mark], view: View) -> Picture:
    """The picture; a heading says how strongly its curves are smoothed."""
    if view.smoothing > 0 and any(curve.faint for curve in curves):
        title = f"{title} ~{view.smoothing:g}"
    return Picture(title, tuple(curves), axes, tuple(marks))


def _loss(source: Source, job: JobRecord, view: View) -> Picture:
    curves = _read(
        source, job, view, {"train/loss": ("train", TRAIN), "val/loss": ("val", VAL), "ema/loss": ("ema", EMA)}
    )
    within = source.series(job, "step", "loss", view)
    if within.xs and not any(curve.name == "train" for curve in curves):
        curves = [*smoothed(within, "train", TRAIN, view), *curves]
    elif within.xs:
        curves = [Curve("step", within.xs, within.ys, TRAIN, faint=True, series=within.name), *curves]
    return titled("Loss", curves, Axes(log_y=view.log_y, window=view.window), _stage_marks(job), view)


def _accuracy(source: Source, job: JobRecord, view: View) -> Picture:
    names = {"train/accuracy": ("train", TRAIN), "val/accuracy": ("val", VAL), "ema/accuracy": ("ema", EMA)}
    marks = _stage_marks(job)
    if job.best_accuracy is not None and job.best_epoch:
        marks.append(Mark(job.best_epoch, job.best_accuracy, glyph="★"))
    return titled("Accuracy", _read(source, job, view, names), _shares(view), marks, view)


def _f1(source: Source, job: JobRecord, view: View) -> Picture:
    names = {"train/f1": ("train", TRAIN), "val/f1": ("val", VAL), "ema/f1": ("ema", EMA)}
    return titled("Macro F1", _read(source, job, view, names), _shares(view), _stage_marks(job), view)


def _shares(view: View) -> Axes:
    return Axes(Unit.PERCENT, log_y=view.log_y, window=view.window)


def _lr(source: Source, job: JobRecord, view: View) -> Picture:
    """Within-epoch readings where there are any: a warm-up is often over before the first epoch is."""
    plain = replace(view, smoothing=0.0)
    curves = _read(source, job, plain, {"step/lr": ("lr", 3)})
    curves = curves or _read(source, job, plain, {"run/lr": ("lr", 3)})
    axes = Axes(log_y=view.log_y, window=view.window, least=(0.0,))
    return titled("Learning rate", curves, axes, [*_warmup_marks(job), *_stage_marks(job)], view)


def _gap(source: Source, job: JobRecord, view: View) -> Picture:
    curves = _read(source, job, view, {"run/gap": ("train−val", 5)})
    last = next((y for curve in curves[:1] for y in reversed(curve.ys) if y is not None), None)
    curves = [curve if curve.faint else replace(curve, note=gap_reading(last)) for curve in curves]
    axes = Axes(Unit.PERCENT, window=view.window, least=(0.0, 0.05, 0.10))
    return titled("Gap", curves, axes, _stage_marks(job), view)


def _speed(source: Source, job: JobRecord, view: View) -> Picture:
    curves = _read(source, job, view, {"step/images_per_second": ("images/s", 6)})
    curves = curves or _read(source, job, view, {"run/images_per_second": ("images/s", 6)})
    return titled("Speed", curves, Axes(window=view.window, least=(0.0,)), [], view)


def _machine(key: str, readings: dict[str, Series], view: View) -> Picture:
    if key == "memory":
        names = [name for name in MEMORY if name in readings]
        labels = {"device_used": "device", "resident": "process"}
        curves = [
            Curve(labels.get(name, name), readings[name].xs, readings[name].ys, MEMORY.index(name), series=name)
            for name in names
        ]
        return Picture("Memory", tuple(curves), Axes(Unit.BYTES, Unit.SECONDS, window=view.window, least=(0.0,)))
    unit = {"utilization": Unit.PERCENT, "temperature": Unit.CELSIUS, "power": Unit.WATT}[key]
    title = {"utilization": "Device use", "temperature": "Temperature", "power": "Power"}[key]
    least = (0.0, 1.0) if key == "utilization" else (0.0,)
    axes = Axes(unit, Unit.SECONDS, window=view.window, least=least)
    drawn = [Curve("", readings[key].xs, readings[key].ys, 6, series=key)] if key in readings else []
    return Picture(title, tuple(drawn), axes)


def reach_of(job: JobRecord, x_axis: str) -> tuple[float, float]:
    """How far x goes: epochs, optimiser steps, or seconds since the start."""
    if x_axis == "step":
        return 0.0, float(max(1, job.step))
    if x_axis == "time":
        end = job.finished_at or job.progress_at or job.started_at or 1.0
        return 0.0, max(1.0, end - (job.started_at or 0.0))
    return 0.0, float(max(1, job.epoch))


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
