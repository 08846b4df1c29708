"""Home: every job, the worker, and the chosen job's progress and charts."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical
from textual.widgets import Input

from db.records import JobRecord
from tui import units
from tui.charts.panels import View
from tui.feed import Overview
from tui.screens.job_actions import JobActions
from tui.themes import palette
from tui.widgets.chart_panel import ChartPanel
from tui.widgets.job_columns import COLUMNS
from tui.widgets.job_filter import GROUPS, grouped, listed
from tui.widgets.job_summary import JobSummary
from tui.widgets.job_table import JobTable
from tui.widgets.key_line import KeyLine
from tui.widgets.line import Line
from tui.widgets.worker_line import WorkerLine

WIDE = 110  # from here on the charts stand beside the list


class QueueScreen(JobActions):
    """The list and, beside or below it, the job under the cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Open", id="queue.open", tooltip="Open the job: charts, log, results"),
        Binding("space", "mark", "Mark", id="queue.mark", tooltip="Mark or unmark the job"),
        Binding("o", "compare", "Compare", id="queue.compare", tooltip="Compare the marked jobs"),
        Binding("slash", "filter", "Filter", key_display="/", id="queue.filter", tooltip="Words, state:failed -data:x"),
        Binding("s", "sort", "Sort", show=False, id="queue.sort", tooltip="Sort by the next column"),
        Binding("S", "reverse", "Reverse", show=False, id="queue.reverse", tooltip="Reverse the order"),
        Binding("b", "group", "Group", show=False, id="queue.group", tooltip="Group by state, recipe, data, or not"),
        Binding("z", "details", "Details", show=False, id="queue.details", tooltip="Show or hide the charts"),
        Binding("right_square_bracket,tab", "turn(1)", "Next chart", key_display="]", show=False, id="charts.next"),
        Binding("left_square_bracket", "turn(-1)", "Previous chart", key_display="[", show=False, id="charts.previous"),
        Binding("colon", "goto", "Go to job", key_display=":", show=False, id="queue.goto"),
        Binding("escape", "clear", "Clear filter and marks", show=False, id="queue.clear"),
    ]  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self.marked: frozenset[int] = frozenset()

    def compose(self) -> ComposeResult:
        yield WorkerLine()
        with Container(id="panes"):
            with Vertical(id="left"):
                yield JobTable()
                yield Line(placeholder="words, state:failed, recipe:two, -data:digits", id="filter", compact=True)
            with Vertical(id="details"):
                yield JobSummary()
                yield ChartPanel(("loss", "accuracy", "lr", "memory"))
        yield KeyLine()

    @property
    def table(self) -> JobTable:
        """The list of jobs."""
        return self.query_one(JobTable)

    def on_mount(self) -> None:
        box = self.query_one("#filter", Input)
        box.value = self.clf.remembered.filter
        box.display = bool(box.value)
        self.table.focus()
        self._fold()

    def on_resize(self) -> None:
        self._fold()

    def _fold(self) -> None:
        """Side by side from WIDE columns on, else one above the other; the list alone where there is no room."""
        width, height = self.app.size
        self.set_class(width >= WIDE, "wide")
        room = height >= 18 and width >= 44
        self.query_one("#details").display = room and self.clf.remembered.details
        self._fit_list()

    def _fit_list(self) -> None:
        """Stacked, the list takes what it needs up to two fifths; the charts take the rest."""
        left, stacked = self.query_one("#left"), not self.has_class("wide")
        if stacked and self.query_one("#details").display:
            most = max(6, self.app.size.height * 2 // 5)
            needed = max(4, len(self.clf.overview.jobs) + 2)
            left.styles.height = most if self.clf.remembered.group else min(most, needed)
        else:
            left.styles.height = "1fr"

    def follow(self, overview: Overview) -> None:
        """New state: rows, worker line, details of the chosen job."""
        if not self.is_mounted:
            return
        now, theme = self.clf.clock(), palette(self.app)
        self._fit_list()
        start = "" if overview.workers else self.key_of("worker.start")
        self.query_one(WorkerLine).show(overview, now, theme, start)
        self.marked = frozenset(job_id for job_id in self.marked if job_id in overview.by_id)
        self._list(overview, now)
        self._details()

    def _list(self, overview: Overview, now: float) -> None:
        kept = self.clf.remembered
        rows = listed(overview.jobs, kept.filter, kept.sort, kept.reverse, now)
        self.table.empty_text = "" if rows else self._why_empty(overview)
        rows, groups = grouped(rows, kept.group)
        self.table.show(rows, now, self.marked, (kept.sort, kept.reverse), groups)

    def _why_empty(self, overview: Overview) -> str:
        """What is missing, and the key that mends it as it is bound here."""
        if overview.jobs:
            why = f"no job fits {self.clf.remembered.filter.strip()}"
            key, mends = (
                self.key_of("queue.clear"),
                f"clear the filter ({units.count(len(overview.jobs), 'job')} in all)",
            )
        else:
            why, key, mends = "nothing is queued yet", self.key_of("job.add"), "add a recipe"
        return f"{why}\npress {key} to {mends}" if key else why

    def _details(self) -> None:
        job = self.table.job
        self.query_one(JobSummary).show(job, self.clf.clock(), palette(self.app))
        self.query_one(ChartPanel).display = job is not None
        if self.query_one("#details").display:
            self.load_charts()

    def charted(self) -> tuple[JobRecord | None, ChartPanel | None, View]:
        """The job under the cursor."""
        panel = self.query_one(ChartPanel)
        return self.table.job, panel, View(columns=max(40, panel.size.width), smoothing=self.clf.remembered.smoothing)

    def targets(self) -> list[JobRecord]:
        """The marked jobs, else the one under the cursor."""
        by_id = self.clf.overview.by_id
        marked = [by_id[job_id] for job_id in sorted(self.marked) if job_id in by_id]
        job = self.table.job
        return marked or ([job] if job else [])

    def on_job_table_selected(self) -> None:
        self._details()

    def on_chart_panel_turned(self) -> None:
        self.load_charts()

    def on_job_table_opened(self) -> None:
        self.action_open()

    def on_job_table_header_clicked(self, message: JobTable.HeaderClicked) -> None:
        self._sort_by(message.key)

    def action_open(self) -> None:
        from tui.screens.job import JobScreen

        if self.table.job is not None:
            self.app.push_screen(JobScreen(self.table.job.id))

    def action_mark(self) -> None:
        if self.table.job is not None:
            self.marked = self.marked ^ {self.table.job.id}
            self._list(self.clf.overview, self.clf.clock())
            self.refresh_bindings()
            self.table.action_move(1)

    def action_compare(self) -> None:
        from tui.screens.compare import CompareScreen

        self.app.push_screen(CompareScreen(tuple(sorted(self.marked))))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Comparing takes two."""
        return not (action == "compare" and len(self.marked) < 2) and super().check_action(action, parameters)

    def action_filter(self) -> None:
        box = self.query_one("#filter", Input)
        box.display = True
        box.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """The list narrows as one types."""
        self.clf.remembered.filter = event.value
        self._list(self.clf.overview, self.clf.clock())

    def on_input_submitted(self) -> None:
        self._leave_filter()

    def _leave_filter(self) -> None:
        self.query_one("#filter", Input).display = bool(self.clf.remembered.filter)
        self.table.focus()
        self.clf.remember()

    def action_clear(self) -> None:
        box = self.query_one("#filter", Input)
        if box.has_focus or box.value:
            box.value = self.clf.remembered.filter = ""  # the message that it changed comes later
            self._leave_filter()
        else:
            self.marked = frozenset()
            self.refresh_bindings()
            self._list(self.clf.overview, self.clf.clock())

    def action_sort(self) -> None:
        keys = ["", *(column.key for column in COLUMNS)]
        kept = self.clf.remembered.sort
        self._sort_by(keys[(keys.index(kept) + 1) % len(keys)] if kept in keys else "")

    def _sort_by(self, key: str) -> None:
        kept = self.clf.remembered
        kept.reverse = not kept.reverse if key and key == kept.sort else key in ("best", "age", "memory")
        kept.sort = key
        self._resorted()

    def action_reverse(self) -> None:
        self.clf.remembered.reverse = not self.clf.remembered.reverse
        self._resorted()

    def _resorted(self) -> None:
        self._list(self.clf.overview, self.clf.clock())
        self.clf.remember()

    def action_group(self) -> None:
        kept = self.clf.remembered
        kept.group = GROUPS[(GROUPS.index(kept.group) + 1) % len(GROUPS)] if kept.group in GROUPS else ""
        self._fit_list()
        self._resorted()
        self.notify(f"grouped by {kept.group}" if kept.group else "not grouped")

    def action_details(self) -> None:
        self.clf.remembered.details = not self.clf.remembered.details
        self.clf.remember()
        self._fold()
        self._details()

    def action_turn(self, by: int) -> None:
        self.query_one(ChartPanel).turn(by)

    def action_goto(self) -> None:
        self.ask_for_job(self._go)

    def _go(self, job_id: int) -> None:
        from tui.screens.job import JobScreen

        self.table.select(job_id)
        self.app.push_screen(JobScreen(job_id))
