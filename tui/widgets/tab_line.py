"""The tabs of a screen on one line, each with the key that brings it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from tui.themes import palette


class TabLine(Widget, can_focus=False):
    """``1 Charts  2 Machine``; the active one stands out by weight, line and colour. A click brings one."""

    DEFAULT_CSS = "TabLine { height: 1; }"
    ALLOW_SELECT = False

    class Chosen(Message):
        """A tab was clicked."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.tab = name

    def __init__(self, tabs: Sequence[str]) -> None:
        super().__init__()
        self._tabs = tuple(tabs)
        self._active = self._tabs[0]

    def show(self, name: str) -> None:
        """Mark another tab as the active one."""
        if name != self._active:
            self._active = name
            self.refresh()

    def _words(self) -> list[tuple[str, str, str]]:
        """(name, key, word) of every tab; single letters of words where they do not fit."""
        words = [(name, str(number), name.capitalize()) for number, name in enumerate(self._tabs, 1)]
        if sum(len(key) + len(word) + 4 for _name, key, word in words) <= self.size.width + 1:
            return words
        return [(name, key, word if name == self._active else word[:3]) for name, key, word in words]

    def on_click(self, event: events.Click) -> None:
        """The tab that is written there."""
        at = 0
        for name, key, word in self._words():
            at += len(key) + len(word) + 4
            if event.x < at:
                self.post_message(self.Chosen(name))
                return

    def render_line(self, y: int) -> Strip:
        """A space on either side of a tab, and one between two."""
        del y
        base, inks = self.rich_style, palette(self.app)
        segments = []
        for name, key, word in self._words():
            active = name == self._active
            ground = base + Style(bgcolor=inks["cursor"]) if active else base
            mark = Style(bold=True, underline=True) if active else Style(color=inks["quiet"])
            segments += [
                Segment(f" {key} ", ground + Style(color=inks["primary"], bold=active)),
                Segment(word, ground + mark),
                Segment(" ", ground),
                Segment(" ", base),
            ]
        return Strip(segments).adjust_cell_length(self.size.width, base)
