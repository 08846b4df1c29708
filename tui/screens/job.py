"""One job: charts, machine, log, recipe, results, events, pictures."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from rich.console import RenderableType
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.css.query import NoMatches
from textual.widget import Widget
from textual.widgets import Static

from db import records
from db.records import JobRecord
from tui.charts.panels import View, reach_of
from tui.feed import Overview
from tui.screens import run_files
from tui.screens.chart_keys import CHART_ACTIONS, ChartKeys
from tui.screens.job_texts import events_table, no_results, recipe_text, results_table
from tui.themes import palette
from tui.widgets.chart_panel import ChartPanel
from tui.widgets.job_summary import JobSummary
from tui.widgets.key_line import KeyLine
from tui.widgets.log_view import LogView
from tui.widgets.picture_view import PictureView
from tui.widgets.tab_line import TabLine

TABS = ("charts", "machine", "log", "recipe", "results", "events", "pictures")
TAB_KEYS = tuple(enumerate(TABS, 1))
PANELS = {
    "charts": ("loss", "accuracy", "f1", "gap", "lr", "speed"),
    "machine": ("memory", "utilization", "temperature", "power"),
}


class JobScreen(ChartKeys):
    """Follows one job; what a tab shows is read when the tab is shown."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace", "app.pop_screen", "Back", id="job.back"),
        *(Binding(str(n), f"tab('{tab}')", tab.capitalize(), show=False, id=f"job.{tab}") for n, tab in TAB_KEYS),
        Binding("tab", "next_tab(1)", "Next tab", id="job.next_tab"),
        Binding("shift+tab", "next_tab(-1)", "Previous tab", show=False, id="job.previous_tab"),
        Binding("n", "neighbour(1)", "Next job", show=False, id="job.next"),
        Binding("N", "neighbour(-1)", "Previous job", show=False, id="job.previous"),
        Binding("f", "follow_log", "Follow", id="log.follow", tooltip="Log: follow its end or stay"),
        Binding("v", "severity", "Severity", id="log.severity", tooltip="Log: all, warnings, errors"),
        Binding("slash", "search", "Search log", key_display="/", show=False, id="log.search"),
        Binding("colon", "goto", "Go to job", key_display=":", show=False, id="queue.goto"),
        Binding("down,j", "scroll(1)", "Down", show=False, id="job.down"),
        Binding("up,k", "scroll(-1)", "Up", show=False, id="job.up"),
    ]  # fmt: skip

    AUTO_FOCUS = ""  # the tabs would take the arrows, which belong to the charts

    def __init__(self, job_id: int) -> None:
        super().__init__()
        self.job_id = job_id
        self._log: run_files.LogReader | None = None
        self._reading = False
        self._tab = TABS[0]

    def compose(self) -> ComposeResult:
        yield JobSummary()
        yield Static("", id="origin", markup=False)
        yield TabLine(TABS)
        with Container(id="body"):
            yield self._content(TABS[0])
        yield KeyLine()

    def _content(self, tab: str) -> Widget:
        """What a tab shows; built when it is first looked at."""
        if tab in PANELS:
            return ChartPanel(PANELS[tab], id=f"panel-{tab}")
        if tab == "log":
            return LogView(id="panel-log")
        if tab == "pictures":
            return PictureView(id="panel-pictures")
        return VerticalScroll(Static("", id=f"text-{tab}"), id=f"panel-{tab}")

    @property
    def job(self) -> JobRecord | None:
        """The job as last read; None once it was deleted."""
        return self.clf.overview.by_id.get(self.job_id)

    @property
    def tab(self) -> str:
        """Which tab is shown."""
        return self._tab

    def targets(self) -> list[JobRecord]:
        return [self.job] if self.job else []

    def follow(self, overview: Overview) -> None:
        """The header always; of the tabs only the one that is shown."""
        del overview
        if not self.is_mounted:
            return
        self.query_one(JobSummary).show(self.job, self.clf.clock(), palette(self.app))
        if self.job is None:
            self.query_one("#origin", Static).update(f"job {self.job_id} is no longer in the queue")
            return
        self._show_tab()

    def on_mount(self) -> None:
        self._open()

    def _open(self) -> None:
        job = self.job
        self._log = run_files.LogReader(Path(job.run_dir) / "training.log") if job and job.run_dir else None
        self.follow(self.clf.overview)
        if job is not None:
            self.run_worker(self._origin(job))

    async def _origin(self, job: JobRecord) -> None:
        known = await asyncio.to_thread(run_files.versions, Path(job.run_dir)) if job.run_dir else {}
        parts = [f"clf {job.clf_version}", f"git {job.git_commit[:9]}" if job.git_commit else ""]
        parts += [f"{name} {known[name]}" for name in ("torch", "timm") if name in known]
        parts += [f"attempt {job.attempt}" if job.attempt > 1 else "", job.run_dir or ""]
        for line in self.query("#origin").results(Static):  # none once the screen was left
            line.update("  ".join(part for part in parts if part))

    async def on_tab_line_chosen(self, message: TabLine.Chosen) -> None:
        await self.action_tab(message.tab)

    def _show_tab(self) -> None:
        if self.tab in PANELS:
            self.load_charts()
        elif not self._reading and self.job is not None:
            self._reading = True
            self.run_worker(self._load_text(self.tab, self.job))

    async def _load_text(self, tab: str, job: JobRecord) -> None:
        try:
            with suppress(NoMatches):  # the screen may have been left meanwhile
                await self._read_text(tab, job)
        finally:
            self._reading = False

    async def _read_text(self, tab: str, job: JobRecord) -> None:
        if tab == "log":
            lines = await asyncio.to_thread(self._log.lines) if self._log else None
            self.query_one(LogView).add(lines)
        elif tab == "recipe":
            self._say(tab, await asyncio.to_thread(recipe_text, job, self.clf.home, palette(self.app)))
        elif tab == "results":
            found = await asyncio.to_thread(run_files.results, Path(job.run_dir)) if job.run_dir else None
            none = Text(no_results(job), palette(self.app)["quiet"])
            self._say(tab, results_table(found, palette(self.app)) if found else none)
        elif tab == "events":
            events = await self.clf.feed.read(lambda connection: records.events(connection, job.id))
            self._say(tab, events_table(events or (), palette(self.app)))
        elif tab == "pictures":
            await self.query_one(PictureView).look(job, self.clf.home, kept=not self.clf.read_only)

    def _say(self, tab: str, content: RenderableType) -> None:
        self.query_one(f"#text-{tab}", Static).update(content)

    def panel(self) -> ChartPanel | None:
        return self.query_one(f"#panel-{self.tab}", ChartPanel) if self.tab in PANELS else None

    def reach(self) -> tuple[float, float]:
        """Of the x axis: from 0 to where the run is."""
        return (
            reach_of(self.job, "time" if self.tab == "machine" else self.clf.remembered.x_axis)
            if self.job
            else (0.0, 1.0)
        )

    def charted(self) -> tuple[JobRecord | None, ChartPanel | None, View]:
        return self.job, self.panel(), self.view()

    async def action_tab(self, name: str) -> None:
        """Bring a tab to the front."""
        self.window = self.cursor = None
        body = self.query_one("#body")
        if not body.query(f"#panel-{name}"):
            await body.mount(self._content(name))
        for panel in body.children:
            panel.display = panel.id == f"panel-{name}"
        self._tab = name
        self.refresh_bindings()
        self.query_one(TabLine).show(name)
        self.set_focus(self.query_one(PictureView) if name == "pictures" else None)  # its keys are its own
        self._show_tab()

    async def action_next_tab(self, by: int) -> None:
        await self.action_tab(TABS[(TABS.index(self.tab) + by) % len(TABS)])

    def action_neighbour(self, by: int) -> None:
        """The next job in the queue's order."""
        ids = [job.id for job in self.clf.overview.jobs]
        if self.job_id in ids:
            self._go(ids[(ids.index(self.job_id) + by) % len(ids)])

    def action_goto(self) -> None:
        self.ask_for_job(self._go)

    def _go(self, job_id: int) -> None:
        self.app.switch_screen(JobScreen(job_id))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The keys of charts and log work where charts and log are."""
        wrong_place = (action in CHART_ACTIONS and self.tab not in PANELS) or (
            action in ("follow_log", "severity") and self.tab != "log"
        )
        return not wrong_place and super().check_action(action, parameters)

    def action_follow_log(self) -> None:
        self.query_one(LogView).follow()

    def action_severity(self) -> None:
        self.query_one(LogView).raise_severity()

    async def action_search(self) -> None:
        await self.action_tab("log")
        self.query_one(LogView).search()

    def action_scroll(self, by: int) -> None:
        if self.tab == "log":
            self.query_one(LogView).scroll_lines(by)
        for area in self.query(f"VerticalScroll#panel-{self.tab}"):
            area.scroll_relative(y=by * 2, animate=False)
