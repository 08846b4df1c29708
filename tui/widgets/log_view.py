"""A log that follows, filters by words and by severity, and never holds more than it can show quickly."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input, RichLog, Static

from tui import units
from tui.screens.run_files import SEVERITIES, severity
from tui.themes import palette
from tui.widgets.line import Line

KEPT = 5000
COLOURS = ("quiet", "", "warning", "error", "error")


class LogView(Vertical):
    """Lines of a log; `least` is the lowest severity shown."""

    DEFAULT_CSS = """
    LogView { height: 1fr; }
    LogView RichLog { height: 1fr; background: $background; scrollbar-size-vertical: 1; }
    LogView .status { height: 1; color: $quiet; }
    LogView Input { height: 1; display: none; background: $panel; }
    LogView.searching Input { display: block; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: deque[str] = deque(maxlen=KEPT)
        self._least = 0
        self._words = ""
        self._missing = False
        self._width = 0  # the lines were folded to, in cells

    def compose(self) -> ComposeResult:
        yield Static("", classes="status", markup=False)
        yield RichLog(max_lines=KEPT, wrap=True, auto_scroll=True)
        yield Line(placeholder="show only lines with ...", id="log-words", compact=True)

    @property
    def _log(self) -> RichLog:
        return self.query_one(RichLog)

    def add(self, lines: Iterable[str] | None) -> None:
        """New lines; None: there is no log file."""
        self._missing = lines is None
        new = list(lines or ())
        self._lines.extend(new)
        for line in new:
            self._write(line)
        if new or self._missing:
            self._say()

    def on_mount(self) -> None:
        self._say()

    def on_resize(self) -> None:
        """Long lines are folded anew, once the lines have their new width."""
        if self.size.width != self._width:
            self._width = self.size.width
            self.call_after_refresh(self._fold)

    def _fold(self) -> None:
        place = self._log.scroll_y
        self._again()
        if not self._log.auto_scroll:
            self._log.scroll_to(y=place, animate=False)

    def _write(self, line: str) -> None:
        level, width = severity(line), self._log.scrollable_content_region.width
        if not width or level < self._least or (self._words and self._words not in line.lower()):
            return
        text = Text(line, style=palette(self.app).get(COLOURS[level], ""))
        if self._words:
            text.highlight_words([self._words], "reverse", case_sensitive=False)
        self._log.write(text, width)

    def _again(self) -> None:
        self._log.clear()
        for line in self._lines:
            self._write(line)
        self._say()

    def _say(self) -> None:
        parts = [
            units.count(len(self._lines), "line"),
            "the log file is gone" if self._missing and self._lines else "",
            "following" if self._log.auto_scroll else "not following (f)",
            f"from {SEVERITIES[self._least]} on" if self._least else "all severities (v)",
            f"only '{self._words}'" if self._words else "",
        ]
        said = (
            "  ".join(part for part in parts if part) if self._lines else "no log" if self._missing else "nothing yet"
        )
        self.query_one(".status", Static).update(said)

    def follow(self) -> None:
        """Follow the end of the log, or stay where one reads."""
        self._log.auto_scroll = not self._log.auto_scroll
        if self._log.auto_scroll:
            self._log.scroll_end(animate=False)
        self._say()

    def scroll_lines(self, by: int) -> None:
        """Up or down by a few lines; up also stops following."""
        if by < 0 and self._log.auto_scroll:
            self.follow()
        self._log.scroll_relative(y=by * 3, animate=False)

    def raise_severity(self) -> None:
        """All, from WARNING on, from ERROR on, all again."""
        self._least = {0: 2, 2: 3, 3: 0}[self._least]
        self._again()

    def search(self) -> None:
        """Ask for words."""
        self.add_class("searching")
        self.query_one(Input).focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._words = event.value.lower()
        self._again()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.end_search()

    def end_search(self) -> None:
        """Back to the lines; the words stay in force while there are any."""
        self.set_class(bool(self._words), "searching")
        self._log.focus()
