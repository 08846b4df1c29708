"""The foot of every screen: which keys work here, on one line drawn by one widget.

Textual's Footer mounts a widget for each key and does so anew whenever the bindings change, which was a third of what
opening a screen cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget

from tui.themes import palette

HELP = "keys"  # the action that lists all keys keeps its place at the right end


@dataclass(frozen=True)
class Key:
    """One key and what it does."""

    shown: str
    description: str
    key: str
    enabled: bool

    @property
    def width(self) -> int:
        """Cells, without the gap to the next."""
        return len(self.shown) + 1 + len(self.description)


class KeyLine(Widget, can_focus=False):
    """As many keys as fit, in the order of the bindings; a click presses one."""

    DEFAULT_CSS = "KeyLine { dock: bottom; height: 1; background: $panel; }"
    ALLOW_SELECT = False

    def __init__(self) -> None:
        super().__init__()
        self._keys: tuple[Key, ...] = ()
        self._help: Key | None = None
        self._places: list[tuple[int, Key]] = []

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._changed)

    def _changed(self, screen: Screen[Any]) -> None:
        if screen is not self.screen or not self.is_attached:
            return
        found: dict[str, Key] = {}
        for active in screen.active_bindings.values():
            binding = active.binding
            if binding.show and binding.action not in found:
                shown = self.app.get_key_display(binding)
                found[binding.action] = Key(shown, binding.description, binding.key, active.enabled)
        self._take(found.pop(HELP, None), tuple(found.values()))

    def _take(self, helping: Key | None, keys: tuple[Key, ...]) -> None:
        if (helping, keys) != (self._help, self._keys):
            self._help, self._keys = helping, keys
            self.refresh()

    def on_click(self, event: events.Click) -> None:
        """What is written there is pressed."""
        for start, key in self._places:
            if start <= event.x < start + key.width and key.enabled:
                self.app.simulate_key(key.key)

    def render_line(self, y: int) -> Strip:
        """Keys from the left, help at the right."""
        del y
        width, base, inks = self.size.width, self.rich_style, palette(self.app)
        self._places = self._laid_out(width)
        segments, at = [], 0
        for start, key in self._places:
            ink = inks["primary"] if key.enabled else inks["quiet"]
            segments += [
                Segment(" " * (start - at), base),
                Segment(key.shown, base + Style(color=ink, bold=True)),
                Segment(f" {key.description}", base + Style(color=inks["quiet"])),
            ]
            at = start + key.width
        return Strip(segments).adjust_cell_length(width, base)

    def _laid_out(self, width: int) -> list[tuple[int, Key]]:
        """Where each key stands: two cells between them, or one where that lets all of them fit."""
        room = width - 2 - (self._help.width + 2 if self._help else 0)
        gap = 2 if sum(key.width + 2 for key in self._keys) <= room + 2 else 1
        places, at = [], 1
        for key in self._keys:
            if at + key.width > room + 1:
                break
            places.append((at, key))
            at += key.width + gap
        if self._help:
            places.append((max(1, width - 1 - self._help.width), self._help))
        return places
