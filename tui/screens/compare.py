"""Jobs beside one another: curves over each other, best metrics in a table, and only the settings that differ."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.css.query import NoMatches
from textual.widgets import Static

from db import records
from db.records import JobRecord
from tui import units
from tui.charts.picture import Axes, Curve, Picture, glyph
from tui.charts.scale import Unit
from tui.charts.smooth import smooth
from tui.feed import Overview
from tui.screens.chart_keys import STRENGTHS
from tui.screens.live import LiveScreen
from tui.screens.preview import flat
from tui.themes import curve_colours, palette
from tui.widgets.chart import Chart
from tui.widgets.chart_panel import TITLES
from tui.widgets.key_line import KeyLine

METRICS = (("val", "accuracy"), ("val", "loss"), ("val", "f1"), ("train", "loss"), ("train", "accuracy"), ("run", "lr"))
SORTS = ("id", "best", "test", "f1", "loss")
SIDE_BY_SIDE = 130


class CompareScreen(LiveScreen):
    """A job keeps its colour and sign as long as the screen is open."""

    TITLE_OF_KEYS = "Compare"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace", "app.pop_screen", "Back", id="compare.back"),
        Binding("right_square_bracket,tab", "metric(1)", "Next metric", key_display="]", id="charts.next"),
        Binding("left_square_bracket", "metric(-1)", "Previous", key_display="[", show=False, id="charts.previous"),
        Binding("s", "sort", "Sort", id="compare.sort", tooltip="Sort by id, best, test, F1, loss"),
        Binding("m", "smooth", "Smooth", id="chart.smooth"),
        Binding("g", "log_y", "Log y", id="chart.log"),
        Binding("down,j", "scroll(1)", "Down", show=False, id="compare.down"),
        Binding("up,k", "scroll(-1)", "Up", show=False, id="compare.up"),
    ]  # fmt: skip

    def __init__(self, job_ids: Sequence[int]) -> None:
        super().__init__()
        self._ids = tuple(job_ids)
        self._metric = 0
        self._sort = 0
        self._reading = False
        self._losses: dict[int, float] = {}

    def compose(self) -> ComposeResult:
        yield Static("", classes="headline", markup=False)
        with Horizontal(id="compare"):
            yield Chart(Picture("Accuracy"))
            with VerticalScroll(id="tables"):
                yield Static("", id="figures")
                yield Static("", id="settings")
        yield KeyLine()

    def jobs(self) -> list[JobRecord]:
        """Those of the chosen jobs that still are."""
        found = [self.clf.overview.by_id[job_id] for job_id in self._ids if job_id in self.clf.overview.by_id]
        orders: dict[str, Any] = {
            "id": lambda job: job.id,
            "best": lambda job: -(job.best_accuracy or -1.0),
            "test": lambda job: -(job.test_accuracy or -1.0),
            "f1": lambda job: -(job.best_f1 or -1.0),
            "loss": lambda job: self._losses.get(job.id, float("inf")),
        }
        return sorted(found, key=orders[SORTS[self._sort]])

    def on_resize(self) -> None:
        self.set_class(self.app.size.width >= SIDE_BY_SIDE, "wide")

    def follow(self, overview: Overview) -> None:
        """Curves and tables anew."""
        del overview
        if self.is_mounted:
            self._tables()
            if not self._reading:
                self._reading = True
                self.run_worker(self._read_curves())

    async def _read_curves(self) -> None:
        try:
            split, name = METRICS[self._metric]
            jobs = [(job.id, job.name, self._ids.index(job.id)) for job in self.jobs()]
            columns = max(40, self.query_one(Chart).size.width)
            strength = self.clf.remembered.smoothing
            curves = await self.clf.feed.read(lambda c: _curves(c, jobs, split, name, columns, strength))
            self._losses = await self.clf.feed.read(lambda c: _lowest(c, jobs)) or {}
            if curves is not None and self.query(Chart):  # the screen may have been left meanwhile
                unit = Unit.PERCENT if name in ("accuracy", "f1") else Unit.NUMBER
                axes = Axes(unit, log_y=self.clf.remembered.log_y)
                title = f"{TITLES.get(name, name)}, {split}" if split != "run" else TITLES[name]
                self.query_one(Chart).show(Picture(title, tuple(curves), axes))
                with suppress(NoMatches):
                    self._tables()
        finally:
            self._reading = False

    def _tables(self) -> None:
        jobs, inks = self.jobs(), palette(self.app)
        kept = self.clf.remembered
        said = [f"{len(jobs)} jobs", f"sorted by {SORTS[self._sort]}"]
        said += [f"smoothing {kept.smoothing:g}"] if kept.smoothing else []
        self.query_one(".headline", Static).update("Compare  " + "  ".join(said))
        signs = {job.id: self._sign(job) for job in jobs}
        self.query_one("#figures", Static).update(_figures(jobs, signs, self._losses, inks))
        self.query_one("#settings", Static).update(_settings(jobs, signs, inks))

    def _sign(self, job: JobRecord) -> Text:
        index = self._ids.index(job.id)
        colours = curve_colours(self.app.current_theme)
        return Text(f"{glyph(index, True)} #{job.id}", colours[index % len(colours)])

    def _reload(self) -> None:
        self.clf.remember()
        self.follow(self.clf.overview)

    def action_metric(self, by: int) -> None:
        self._metric = (self._metric + by) % len(METRICS)
        self._reload()

    def action_sort(self) -> None:
        self._sort = (self._sort + 1) % len(SORTS)
        self._tables()

    def action_smooth(self) -> None:
        kept = self.clf.remembered
        place = STRENGTHS.index(kept.smoothing) if kept.smoothing in STRENGTHS else -1
        kept.smoothing = STRENGTHS[(place + 1) % len(STRENGTHS)]
        self._reload()

    def action_log_y(self) -> None:
        self.clf.remembered.log_y = not self.clf.remembered.log_y
        self._reload()

    def action_scroll(self, by: int) -> None:
        self.query_one("#tables").scroll_relative(y=by * 2, animate=False)


def _curves(
    connection: sqlite3.Connection,
    jobs: list[tuple[int, str, int]],
    split: str,
    name: str,
    columns: int,
    strength: float,
) -> list[Curve]:
    found = []
    for job_id, job_name, colour in jobs:
        series = records.series(connection, job_id, split, name, columns=columns)
        ys = smooth(series.xs, series.ys, strength)
        found.append(Curve(f"#{job_id} {job_name}", series.xs, tuple(ys), colour))
    return found


def _lowest(connection: sqlite3.Connection, jobs: list[tuple[int, str, int]]) -> dict[int, float]:
    """The lowest validation loss of each job that has one."""
    found = {}
    for job_id, _name, _colour in jobs:
        ys = [y for y in records.series(connection, job_id, "val", "loss", columns=50).ys if y is not None]
        if ys:
            found[job_id] = min(ys)
    return found


def _figures(jobs: list[JobRecord], signs: dict[int, Text], losses: dict[int, float], inks: dict[str, str]) -> Table:
    """Best metrics, the best of each column in bold."""
    table = Table.grid(padding=(0, 1))
    for index in range(8):
        table.add_column(justify="left" if index < 2 else "right", no_wrap=True)
    table.add_row(*(Text(title, inks["quiet"]) for title in ("", "job", "best", "epoch", "F1", "test", "loss", "took")))
    tops = {key: max((getattr(job, key) or 0.0 for job in jobs), default=0.0) for key in _SHARES}
    lowest = min(losses.values(), default=None)
    for job in jobs:
        shares = {key: _share(getattr(job, key), tops[key]) for key in _SHARES}
        loss = losses.get(job.id)
        took = job.elapsed_seconds or None
        table.add_row(
            signs[job.id],
            job.name,
            shares["best_accuracy"],
            Text(str(job.best_epoch or "")),
            shares["best_f1"],
            shares["test_accuracy"],
            Text("" if loss is None else f"{loss:.4f}", "bold" if loss is not None and loss == lowest else ""),
            Text("" if took is None else units.duration(took)),
        )
    return table


_SHARES = ("best_accuracy", "best_f1", "test_accuracy")


def _share(value: float | None, top: float) -> Text:
    return Text("" if value is None else units.percent(value), "bold" if value is not None and value == top else "")


def _settings(jobs: list[JobRecord], signs: dict[int, Text], inks: dict[str, str]) -> Table | Text:
    """One row for each setting that is not the same in all jobs."""
    recipes = {job.id: flat(_loads(job.recipe)) for job in jobs}
    keys = dict.fromkeys(key for recipe in recipes.values() for key in recipe if key not in ("name", "description"))
    differing = [key for key in keys if len({repr(recipe.get(key)) for recipe in recipes.values()}) > 1]
    if not differing:
        return Text("\nthe settings are the same", inks["quiet"])
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, min_width=26)
    table.add_row("", *(Text("") for _ in jobs))
    table.add_row(Text("setting", inks["quiet"]), *(signs[job.id] for job in jobs))
    for key in differing:
        values = [recipes[job.id].get(key) for job in jobs]
        table.add_row(Text(key), *(Text("–" if value is None else str(value)) for value in values))
    return table


def _loads(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
