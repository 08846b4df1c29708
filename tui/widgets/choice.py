"""One of a few words on one line: blank, or chosen with the arrows or a first letter."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual import events
from textual.binding import Binding
from textual.message import Message
from textual.widget import Widget

from tui.themes import palette


class Choice(Widget, can_focus=True):
    """Blank shows `inherited` quietly. A sixth of the widgets of Textual's Select, and nothing opens over the form."""

    DEFAULT_CSS = """
    Choice { height: 1; background: $surface; }
    Choice:focus { background: $panel; }
    """
    TITLE_OF_KEYS = "Choice"
    BINDINGS = [
        Binding("right,space", "turn(1)", "Next choice", show=False, id="choice.next"),
        Binding("left", "turn(-1)", "Previous choice", show=False, id="choice.previous"),
        Binding("backspace,delete", "blank", "As the recipe says", show=False, id="choice.blank"),
        Binding("enter", "app.focus_next", "Next field", show=False, id="choice.leave"),
    ]

    class Changed(Message):
        """Something else is chosen."""

    def __init__(self, choices: Sequence[str], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._choices = ("", *choices)
        self.value = ""
        self.inherited = ""

    def offer(self, inherited: str) -> None:
        """What blank means."""
        if inherited != self.inherited:
            self.inherited = inherited
            self.refresh()

    def choose(self, value: str) -> None:
        """Take one of the choices, or blank."""
        if value != self.value:
            self.value = value
            self.refresh()
            self.post_message(self.Changed())

    def action_turn(self, by: int) -> None:
        self.choose(self._choices[(self._choices.index(self.value) + by) % len(self._choices)])

    def action_blank(self) -> None:
        self.choose("")

    def on_key(self, event: events.Key) -> None:
        """A letter goes to the next choice that begins with it."""
        if event.character and event.character.isalnum():
            event.stop()
            place = self._choices.index(self.value) + 1
            order = [*self._choices[place:], *self._choices[:place]]
            self.choose(next((choice for choice in order if choice.startswith(event.character.lower())), self.value))

    def on_click(self) -> None:
        self.action_turn(1)

    def render(self) -> Text:
        """The choice; with the focus, all there are to choose from."""
        inks = palette(self.app)
        shown = Text(self.value) if self.value else Text(self.inherited or "as the recipe", inks["quiet"])
        if not self.has_focus:
            return shown
        line = Text("◂ ", inks["primary"]).append_text(shown).append(" ▸", inks["primary"])
        line.append("   of ", inks["quiet"]).append("  ".join(self._choices[1:]), inks["quiet"])
        line.truncate(max(1, self.size.width), overflow="ellipsis")
        return line
