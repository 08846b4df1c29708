"""Nothing that a name, a path or a log line holds steers the terminal or is taken for markup."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rich.segment import Segment
from textual.binding import Binding
from textual.color import Color
from textual.filter import LineFilter

from tui.key_names import named
from tui.key_order import KeyOrderApp

if TYPE_CHECKING:
    from textual.notifications import SeverityLevel

# C0, DEL and C1, and what turns the direction of the text around it; all take no cell
_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class PrintableFilter(LineFilter):
    """The last step of rendering; what is marked as control, as pictures are, is meant for the terminal."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The same segments, width kept."""
        del background
        if all(text.isprintable() for text, _style, _control in segments):
            return segments
        return [
            segment if segment.control else Segment(_STEERING.sub("", segment.text), segment.style)
            for segment in segments
        ]


class PrintableApp(KeyOrderApp):
    """Shows words as they are."""

    def __init__(self, typed: str = "") -> None:
        super().__init__(typed)
        self._filters.append(PrintableFilter())

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = False,
    ) -> None:
        """Show a notice as it is worded: they quote names, paths and errors, whose brackets are no markup.

        A warning or an error that still stands there is not said again: they would pile up over the screen.
        """
        del markup  # a screen's own notify always says True
        said = {(note.message, note.title, note.severity) for note in self._notifications}
        if severity != "information" and (message, title, severity) in said:
            return
        super().notify(message, title=title, severity=severity, timeout=timeout, markup=False)

    def get_key_display(self, binding: Binding) -> str:
        """Textual's own has ^s, and a sign for enter."""
        return named(binding)

    def action_help_quit(self) -> None:
        """ctrl+c, out of habit: Textual's own answer has markup."""
        keys = [key for key in self.active_bindings.values() if key.binding.id == "app.quit" and key.enabled]
        self.notify(f"press {self.get_key_display(keys[0].binding) if keys else 'ctrl+q'} to quit")
