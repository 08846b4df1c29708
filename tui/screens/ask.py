"""One line of input with a title: a job's number, a name, a path."""

from __future__ import annotations

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.suggester import Suggester
from textual.widgets import Input

from tui.screens.dialog import Dialog
from tui.widgets.line import Line


class AskScreen(Dialog[str | None]):
    """Returns what was typed, or None."""

    BINDINGS = [Binding("escape", "dismiss(None)", "Leave", id="ask.leave")]

    def __init__(self, title: str, placeholder: str, value: str = "", suggester: Suggester | None = None) -> None:
        super().__init__()
        self._title, self._placeholder, self._value, self._suggester = title, placeholder, value, suggester

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = Content(self._title)
            yield Line(self._value, placeholder=self._placeholder, suggester=self._suggester, compact=True)

    def on_key(self, event: events.Key) -> None:
        """A character that was typed before the line had the focus: over a slow link that is the rule."""
        if event.is_printable and event.character:
            event.stop()
            self.query_one(Line).insert_text_at_cursor(event.character)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter takes it."""
        self.dismiss(event.value.strip())
