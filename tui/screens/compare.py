"""Jobs beside one another: curves over each other, best metrics in a table, and only the settings that differ."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.css.query import NoMatches
from textual.widgets import Static

from db import records
from db.records import JobRecord
from tui import units
from tui.charts.panels import View, smoothed, titled
from tui.charts.picture import Axes, Curve, Picture, glyph
from tui.charts.scale import Unit
from tui.feed import Overview
from tui.screens.chart_keys import STRENGTHS
from tui.screens.compared import figures_table, settings_table
from tui.screens.live import LiveScreen
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
            jobs = [(job.id, self._ids.index(job.id)) for job in self.jobs()]
            kept = self.clf.remembered
            view = View(max(40, self.query_one(Chart).size.width), kept.smoothing if split != "run" else 0.0)
            found = await self.clf.feed.read(lambda c: _read(c, jobs, split, name, view))
            if found is not None and self.query(Chart):  # the screen may have been left meanwhile
                curves, self._losses = found
                axes = Axes(Unit.PERCENT if name in ("accuracy", "f1") else Unit.NUMBER, log_y=kept.log_y)
                title = f"{TITLES[name]}, {split}" if split != "run" else TITLES[name]
                self.query_one(Chart).show(titled(title, curves, axes, (), view))
                with suppress(NoMatches):
                    self._tables()
        finally:
            self._reading = False

    def _tables(self) -> None:
        jobs, inks = self.jobs(), palette(self.app)
        self.query_one(".headline", Static).update(f"Compare  {units.count(len(jobs), 'job')}")
        signs = {job.id: self._sign(job) for job in jobs}
        figures = figures_table(jobs, signs, self._losses, SORTS[self._sort], inks)
        self.query_one("#figures", Static).update(figures)
        self.query_one("#settings", Static).update(settings_table(jobs, signs, inks))

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


def _read(
    connection: sqlite3.Connection, jobs: Sequence[tuple[int, int]], split: str, name: str, view: View
) -> tuple[list[Curve], dict[int, float]]:
    """The curves of one metric for (id, colour) of each job, and the lowest validation loss of those that have one."""
    curves, lowest = list[Curve](), dict[int, float]()
    for job_id, colour in jobs:
        series = records.series(connection, job_id, split, name, columns=view.columns)
        curves += smoothed(series, f"#{job_id}", colour, view)
        losses = records.series(connection, job_id, "val", "loss", columns=1).ys  # with the lowest of all
        if finite := [y for y in losses if y is not None]:
            lowest[job_id] = min(finite)
    return curves, lowest
