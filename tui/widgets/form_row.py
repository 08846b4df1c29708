"""One line of the form: what it is called, the field, and below it what is wrong with it."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Label, Select

from tui.screens.draft import Entry
from tui.widgets.line import Line
from tui.widgets.path_suggester import PathSuggester

SWITCH = ("on", "off")


class FormRow(Vertical):
    """Blank means "as the recipe says", and shows what that is."""

    DEFAULT_CSS = """
    FormRow { height: auto; }
    FormRow > Horizontal { height: 1; }
    FormRow Label.name { width: 18; padding: 0 1 0 0; text-align: right; color: $foreground 75%; }
    FormRow Input, FormRow Select { width: 1fr; height: 1; }
    FormRow Select > SelectCurrent { background: $surface; }
    FormRow Label.reason { display: none; color: $error; padding: 0 0 0 18; width: 100%; }
    FormRow.wrong Label.reason { display: block; }
    FormRow.wrong Label.name { color: $error; }
    """

    def __init__(self, entry: Entry, value: str = "") -> None:
        super().__init__(id=f"row-{entry.key}")
        self.entry = entry
        self._value = value

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield Label(self.entry.label, classes="name")
            yield self._field()
        yield Label("", classes="reason", markup=False)

    def _field(self) -> Input | Select[str]:
        name, entry = f"field-{self.entry.key}", self.entry
        if entry.kind in ("choice", "switch"):
            choices = entry.choices or SWITCH
            return Select([(choice, choice) for choice in choices], prompt="as the recipe", id=name, compact=True)
        suggester = None
        if entry.kind == "path":
            suggester = PathSuggester((".safetensors", ".pt", ".pth", ".bin") if entry.key == "weights" else ())
        return Line(self._value, placeholder=entry.hint, id=name, compact=True, suggester=suggester)

    @property
    def text(self) -> str:
        """What was typed or chosen; empty: the recipe's own."""
        field = self.query_one(f"#field-{self.entry.key}")
        if isinstance(field, Input):
            return field.value
        assert isinstance(field, Select)
        return "" if field.is_blank() else str(field.value)

    def offer(self, inherited: str) -> None:
        """Show what the recipe says where nothing is typed."""
        field = self.query_one(f"#field-{self.entry.key}")
        shown = inherited or self.entry.hint
        if isinstance(field, Input):
            field.placeholder = shown
        elif isinstance(field, Select):
            field.prompt = shown or "as the recipe"

    def blame(self, error: str) -> None:
        """Say what is wrong, or nothing."""
        self.set_class(bool(error), "wrong")
        self.query_one(".reason", Label).update(error)
