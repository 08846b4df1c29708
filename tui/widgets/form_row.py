"""One line of the form: what it is called, the field, and below it what is wrong with it."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.widget import Widget
from textual.widgets import Input

from tui.cells import fold
from tui.screens.draft import Entry
from tui.themes import palette
from tui.widgets.choice import Choice
from tui.widgets.line import Line
from tui.widgets.path_suggester import PathSuggester

SWITCH = ("on", "off")
LABEL = 18  # cells before the field


class FormRow(Widget):
    """Blank means "as the recipe says", and shows what that is.

    The row itself draws the label and the reason: with widgets for them a form of 24 rows takes twice as long to open.
    """

    DEFAULT_CSS = """
    FormRow { height: 1; }
    FormRow Input, FormRow Choice { width: 1fr; height: 1; margin: 0 0 0 18; }
    """

    def __init__(self, entry: Entry, value: str = "") -> None:
        super().__init__(id=f"row-{entry.key}")
        self.entry = entry
        self._value = value
        self._reason: list[str] = []
        self.error = ""

    def compose(self) -> ComposeResult:
        yield self._field()

    def render(self) -> Text:
        """The label, right-aligned before the field, and below both what is wrong."""
        inks = palette(self.app)
        label = self.entry.label[: LABEL - 1].rjust(LABEL - 1)
        lines = [Text(label, inks["error"] if self.error else inks["quiet"])]
        lines += [Text(" " * LABEL + line, inks["error"]) for line in self._reason]
        return Text("\n").join(lines)

    def _field(self) -> Input | Choice:
        name, entry = f"field-{self.entry.key}", self.entry
        if entry.kind in ("choice", "switch"):
            return Choice(entry.choices or SWITCH, id=name)
        suggester = None
        if entry.kind == "path":
            suggester = PathSuggester((".safetensors", ".pt", ".pth", ".bin") if entry.key == "weights" else ())
        return Line(self._value, placeholder=entry.hint, id=name, compact=True, suggester=suggester)

    @property
    def text(self) -> str:
        """What was typed or chosen; empty: the recipe's own."""
        field = self.query_one(f"#field-{self.entry.key}")
        assert isinstance(field, Input | Choice)
        return field.value

    def offer(self, inherited: str) -> None:
        """Show what the recipe says where nothing is typed."""
        field = self.query_one(f"#field-{self.entry.key}")
        if isinstance(field, Input):
            field.placeholder = inherited or self.entry.hint
        elif isinstance(field, Choice):
            field.offer(inherited or self.entry.hint)

    def blame(self, error: str) -> None:
        """Say what is wrong, or nothing."""
        if error != self.error:
            self.error = error
            self._fold()

    def on_resize(self) -> None:
        if self.error:
            self._fold()

    def _fold(self) -> None:
        self._reason = fold(self.error, max(16, self.size.width - LABEL)) if self.error else []
        self.styles.height = 1 + len(self._reason)
        self.refresh()
