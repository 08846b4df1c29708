"""Jobs beside one another: curves over each other, best metrics in a table, and only the settings that differ."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
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
from tui.charts.overlay import overlaid
from tui.charts.panels import reach_of
from tui.charts.picture import Picture, glyph
from tui.charts.scale import Unit
from tui.feed import Overview
from tui.screens.closer import Closer
from tui.screens.compared import figures_table, settings_table
from tui.themes import curve_colours, palette
from tui.widgets.chart import Chart
from tui.widgets.chart_panel import TITLES
from tui.widgets.key_line import KeyLine

METRICS = (("val", "accuracy"), ("val", "loss"), ("val", "f1"), ("train", "loss"), ("train", "accuracy"), ("run", "lr"))
SORTS = ("id", "best", "test", "f1", "loss")
SIDE_BY_SIDE = 130


class CompareScreen(Closer):
    """A job keeps its colour and sign as long as the screen is open."""

    TITLE_OF_KEYS = "Compare"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace", "app.pop_screen", "Back", id="compare.back"),
        Binding("right_square_bracket,tab", "metric(1)", "Next metric", key_display="]", id="charts.next"),
        Binding("left_square_bracket", "metric(-1)", "Previous", key_display="[", show=False, id="charts.previous"),
        Binding("s", "sort", "Sort", id="compare.sort", tooltip="Sort by id, best, test, F1, loss"),
        Binding("down,j", "scroll(1)", "Down", show=False, id="compare.down"),
        Binding("up,k", "scroll(-1)", "Up", show=False, id="compare.up"),
    ]  # fmt: skip

    def __init__(self, job_ids: Sequence[int]) -> None:
        super().__init__()
        self._ids = tuple(job_ids)
        self._metric = 0
        self._sort = 0
        self._reading = self._stale = False
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
            self.load_charts()

    def reach(self) -> tuple[float, float]:
        """As far as the longest of the jobs."""
        return 0.0, max((reach_of(job, self.clf.remembered.x_axis)[1] for job in self.jobs()), default=1.0)

    def columns(self) -> int:
        return self.query_one(Chart).size.width

    def load_charts(self) -> None:
        """Read the curves; what was asked meanwhile is read after that."""
        if self._reading:
            self._stale = True
        else:
            self._reading = True
            self.run_worker(self._read_curves)  # type: ignore[arg-type]  # a callable, or it may never be awaited

    async def _read_curves(self) -> None:
        try:
            split, name = METRICS[self._metric]
            jobs = [(job.id, self._ids.index(job.id)) for job in self.jobs()]
            view = self.view() if split != "run" else replace(self.view(), smoothing=0.0)
            title = f"{TITLES[name]}, {split}" if split != "run" else TITLES[name]
            unit = Unit.PERCENT if name in ("accuracy", "f1") else Unit.NUMBER
            found = await self.clf.feed.read(
                lambda c: (overlaid(c, jobs, f"{split}/{name}", title, unit, view), _lowest_losses(c, jobs))
            )
            if found is not None and self.query(Chart):  # the screen may have been left meanwhile
                picture, self._losses = found
                self.query_one(Chart).show(picture)
                with suppress(NoMatches):
                    self._tables()
        finally:
            self._reading = False
        if self._stale and self.is_attached:
            self._stale = False
            self.load_charts()

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

    def action_metric(self, by: int) -> None:
        self._metric = (self._metric + by) % len(METRICS)
        self.load_charts()

    def action_sort(self) -> None:
        self._sort = (self._sort + 1) % len(SORTS)
        self._tables()

    def action_scroll(self, by: int) -> None:
        self.query_one("#tables").scroll_relative(y=by * 2, animate=False)


def _lowest_losses(connection: sqlite3.Connection, jobs: Sequence[tuple[int, int]]) -> dict[int, float]:
    """The lowest validation loss of each job that has one."""
    lowest = {}
    for job_id, _colour in jobs:
        losses = records.series(connection, job_id, "val", "loss", columns=1).ys  # with the lowest of all
        if finite := [y for y in losses if y is not None]:
            lowest[job_id] = min(finite)
    return lowest
