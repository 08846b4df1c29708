"""The job list: fixed columns, a cursor, marks; repaints only the rows that changed (it is watched over slow links)."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from db.records import JobRecord
from tui.cells import fit
from tui.themes import palette
from tui.widgets.job_columns import Column, cells, fitting
from tui.widgets.job_filter import Group

HEADER = 1


class JobTable(ScrollView, can_focus=True):
    """Rows of jobs under a header; the cursor stays with its job when the order changes."""

    DEFAULT_CSS = """
    JobTable { height: 1fr; background: $background; scrollbar-size-vertical: 1; overflow-x: hidden; }
    """
    TITLE_OF_KEYS = "List"
    BINDINGS = [
        Binding("down,j", "move(1)", "Down", show=False, id="list.down"),
        Binding("up,k", "move(-1)", "Up", show=False, id="list.up"),
        Binding("pagedown,ctrl+d", "page(1)", "Page down", show=False, id="list.page_down"),
        Binding("pageup,ctrl+u", "page(-1)", "Page up", show=False, id="list.page_up"),
        Binding("home,g", "edge(0)", "First", show=False, id="list.first"),
        Binding("end,G", "edge(-1)", "Last", show=False, id="list.last"),
    ]
    empty_text: reactive[str] = reactive("")  # lines that stand where no job does
    selected: reactive[int | None] = reactive(None, init=False)  # id of the job under the cursor

    class Selected(Message):
        """The cursor came to another job (None: the list is empty)."""

        def __init__(self, job_id: int | None) -> None:
            super().__init__()
            self.job_id = job_id

    class Opened(Message):
        """A job was clicked twice."""

    class HeaderClicked(Message):
        """A column's title was clicked."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._jobs: list[JobRecord] = []
        self._marked: frozenset[int] = frozenset()
        self._columns: list[tuple[Column, int]] = []
        self._cells: list[tuple[str, ...]] = []
        self._groups: tuple[Group, ...] = ()
        self._lines: list[int | Group] = []  # below the header: a job's index, or the title of a group
        self._line_of: list[int] = []  # of each job
        self._now = 0.0
        self._sort = ("", False)

    def show(
        self,
        jobs: Sequence[JobRecord],
        now: float,
        marked: frozenset[int],
        sort: tuple[str, bool],
        groups: Sequence[Group] = (),
    ) -> None:
        """These jobs in this order; `now` is in Unix seconds; with `groups` a title stands above each."""
        ids_before = [job.id for job in self._jobs]
        states = [job.state for job in self._jobs]
        self._jobs, self._now = list(jobs), now
        layout_changed = self._lay_out() or sort != self._sort
        marks_changed, self._marked, self._sort = marked ^ self._marked, marked, sort
        ids = [job.id for job in self._jobs]
        before, self._cells = self._cells, [self._row(job) for job in self._jobs]
        if ids != ids_before or layout_changed or tuple(groups) != self._groups:
            self._groups = tuple(groups)
            self._number_lines()
            self._keep_cursor(ids_before)
            self.virtual_size = Size(self.size.width, len(self._lines) + HEADER)
            self.refresh()
            return
        for index, (old, new) in enumerate(zip(before, self._cells, strict=True)):
            if old != new or states[index] != self._jobs[index].state or ids[index] in marks_changed:
                self._refresh_row(index)

    def _number_lines(self) -> None:
        self._lines = list(range(len(self._jobs)))
        start = len(self._jobs)
        for group in reversed(self._groups):
            start -= group.count
            self._lines.insert(start, group)
        self._line_of = [line for line, what in enumerate(self._lines) if isinstance(what, int)]

    @property
    def job(self) -> JobRecord | None:
        """The job under the cursor."""
        return next((job for job in self._jobs if job.id == self.selected), None)

    def select(self, job_id: int) -> bool:
        """Put the cursor on a job; False when it is not listed."""
        if all(job.id != job_id for job in self._jobs):
            return False
        self.selected = job_id
        return True

    def _index(self) -> int:
        return next((i for i, job in enumerate(self._jobs) if job.id == self.selected), 0)

    def _keep_cursor(self, ids_before: list[int]) -> None:
        ids = [job.id for job in self._jobs]
        if self.selected in ids:
            self._scroll_to_cursor()
            return
        place = ids_before.index(self.selected) if self.selected in ids_before else 0
        self.selected = ids[min(place, len(ids) - 1)] if ids else None

    def _lay_out(self) -> bool:
        columns = fitting(max(0, self.scrollable_content_region.width), self._jobs)
        changed, self._columns = columns != self._columns, columns
        return changed

    def _row(self, job: JobRecord) -> tuple[str, ...]:
        return cells(job, self._now, self._columns)

    def on_resize(self) -> None:
        self.show(self._jobs, self._now, self._marked, self._sort, self._groups)

    def watch_selected(self, before: int | None, after: int | None) -> None:
        for index, job in enumerate(self._jobs):
            if job.id in (before, after):
                self._refresh_row(index)
        self._scroll_to_cursor()
        self.post_message(self.Selected(after))

    def _scroll_to_cursor(self) -> None:
        visible = self.scrollable_content_region.height - HEADER
        if visible <= 0 or not self._jobs:
            return
        line, top = self._line_of[self._index()], round(self.scroll_y)
        first = line - 1 if line and isinstance(self._lines[line - 1], Group) else line  # a title stays with its job
        if first < top:
            self.scroll_to(y=first, animate=False)
        elif line >= top + visible:
            self.scroll_to(y=line - visible + 1, animate=False)

    def _refresh_row(self, index: int) -> None:
        line = self._line_of[index] + HEADER - round(self.scroll_y)
        if HEADER <= line < self.size.height:
            self.refresh(Region(0, line, self.size.width, 1))

    def action_move(self, by: int) -> None:
        if self._jobs:
            self.selected = self._jobs[max(0, min(len(self._jobs) - 1, self._index() + by))].id

    def action_page(self, by: int) -> None:
        self.action_move(by * max(1, self.size.height - HEADER - 1))

    def action_edge(self, index: int) -> None:
        if self._jobs:
            self.selected = self._jobs[index].id

    def on_click(self, event: events.Click) -> None:
        """A row gets the cursor, a second click opens it; a title sorts."""
        if event.y < HEADER:
            at = 0
            for column, width in self._columns:
                if at <= event.x <= at + width:
                    self.post_message(self.HeaderClicked(column.key))
                at += width + 1
            return
        line = event.y - HEADER + round(self.scroll_y)
        index = self._lines[line] if line < len(self._lines) else None
        if isinstance(index, int):
            self.selected = self._jobs[index].id
            if event.chain == 2:
                self.post_message(self.Opened())

    def render_line(self, y: int) -> Strip:
        """The header stays on top; below it the rows from the scroll offset on."""
        width = self.size.width
        base = self.rich_style
        if y < HEADER:
            return self._header(width, base)
        line = y - HEADER + round(self.scroll_y)
        if not self._jobs:
            return self._empty_line(y - HEADER, width, base)
        index = self._lines[line] if line < len(self._lines) else None
        if isinstance(index, Group):
            return self._title_line(index, width, base)
        if index is None or index >= len(self._cells) or index >= len(self._jobs):
            return Strip.blank(width, base)
        return self._job_line(index, width, base)

    def _empty_line(self, line: int, width: int, base: Style) -> Strip:
        """A line of `empty_text`, below a blank one where there is room."""
        lines = self.empty_text.splitlines()
        line -= self.size.height - HEADER > len(lines)
        text = f" {lines[line]}" if 0 <= line < len(lines) else ""
        style = base + Style(color=palette(self.app)["foreground" if line == 0 else "quiet"])
        return Strip([Segment(fit(text, width), style)])

    def _header(self, width: int, base: Style) -> Strip:
        style = base + Style(color=palette(self.app)["quiet"])
        key, reverse = self._sort
        titles = []
        for column, size in self._columns:
            sign = ("▼" if reverse else "▲") if column.key == key else ""
            titles.append(fit(f"{column.title}{sign}", size, column.right))
        return Strip([Segment(" ".join(titles), style)]).adjust_cell_length(width, style)

    def _title_line(self, group: Group, width: int, base: Style) -> Strip:
        inks = palette(self.app)
        said = [
            Segment(f" {group.title}", base + Style(bold=True)),
            Segment(f"  {group.count} ", base + Style(color=inks["quiet"])),
        ]
        rule = Segment(
            "─" * max(0, width - sum(part.cell_length for part in said)), base + Style(color=inks["cursor-quiet"])
        )
        return Strip([*said, rule]).adjust_cell_length(width, base)

    def _job_line(self, index: int, width: int, base: Style) -> Strip:
        job, inks = self._jobs[index], palette(self.app)
        chosen = ""
        if job.id == self.selected:
            base, chosen = base + Style(bgcolor=inks["cursor" if self.has_focus else "cursor-quiet"]), "chosen "
        segments = []
        for (column, _width), cell in zip(self._columns, self._cells[index], strict=True):
            colour = column.colour(job) or ("quiet" if job.state in ("queued", "cancelled") else "foreground")
            style = base + Style(color=inks[chosen + colour])
            if column.key == "id" and job.id in self._marked:
                cell, style = f"◆{cell[1:]}", base + Style(color=inks[f"{chosen}accent"], bold=True)
            segments.append(Segment(cell, style))
        return Strip(segments).adjust_cell_length(width, base)
