"""One of a few things, each under its own key."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from tui.screens.dialog import Dialog


class ChooseScreen(Dialog[str]):
    """Returns the key of what was chosen, or an empty string."""

    BINDINGS = [Binding("escape,q", "answer('')", "Leave", id="choose.leave")]

    def __init__(self, title: str, choices: Mapping[str, tuple[str, str]]) -> None:
        """`choices`: key -> (what it is, what it says now)."""
        super().__init__()
        self._title, self._choices = title, dict(choices)
        for key, (name, _said) in self._choices.items():
            self._bindings.bind(key, f"answer('{key}')", name)

    def compose(self) -> ComposeResult:
        table = Table.grid(padding=(0, 2))
        for key, (name, said) in self._choices.items():
            table.add_row(Text(key, "bold"), Text(name), Text(said, "dim", overflow="fold"))
        with Vertical() as box:
            box.border_title, box.border_subtitle = Content(self._title), "esc closes"
            yield Static(table)

    def action_answer(self, key: str) -> None:
        self.dismiss(key)
