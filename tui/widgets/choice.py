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
    """Blank, where that is allowed, shows `inherited` quietly. A sixth of the widgets of Textual's Select."""

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

        def __init__(self, choice: Choice) -> None:
            super().__init__()
            self.choice = choice

    def __init__(self, choices: Sequence[str], value: str = "", *, blank: bool = True, id: str | None = None) -> None:
        super().__init__(id=id)
        self._choices = ("", *choices) if blank else tuple(choices)
        self.value = value
        self.inherited = ""
        self._typed = ""

    def offer(self, inherited: str) -> None:
        """What blank means."""
        if inherited != self.inherited:
            self.inherited = inherited
            self.refresh()

    def choose(self, value: str) -> None:
        """Take one of the choices, or blank."""
        if value != self.value and value in self._choices:
            self.value = value
            self.refresh()
            self.post_message(self.Changed(self))

    def action_turn(self, by: int) -> None:
        self._typed = ""
        self.choose(self._choices[(self._choices.index(self.value) + by) % len(self._choices)])

    def action_blank(self) -> None:
        self.choose("")

    def on_blur(self) -> None:
        self._typed = ""

    def on_key(self, event: events.Key) -> None:
        """Letters find the choice that begins with them; one that does not go on from the last begins anew."""
        if event.character and (event.character.isalnum() or event.character in "_-"):
            event.stop()
            letter = event.character.lower()
            found = self._found(self._typed + letter)
            self._typed = self._typed + letter if found else letter
            self.choose(found or self._found(letter) or self.value)

    def _found(self, start: str) -> str:
        return next((choice for choice in self._choices if choice.startswith(start)), "")

    def on_click(self) -> None:
        self.action_turn(1)

    def _rest(self) -> list[str]:
        """The other choices in the order in which the right arrow brings them."""
        place = self._choices.index(self.value)
        return [choice or "as the recipe" for choice in (*self._choices[place + 1 :], *self._choices[:place])]

    def render(self) -> Text:
        """The choice; with the focus, all there are to choose from."""
        inks = palette(self.app)
        shown = Text(self.value) if self.value else Text(self.inherited or "as the recipe", inks["quiet"])
        if not self.has_focus:
            return shown
        line = Text("◂ ", inks["primary"]).append_text(shown).append(" ▸", inks["primary"])
        line.append("   ", inks["quiet"]).append("  ".join(self._rest()), inks["quiet"])
        line.truncate(max(1, self.size.width), overflow="ellipsis")
        return line
