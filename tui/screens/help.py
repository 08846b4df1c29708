"""Every key that works here, read from the bindings themselves."""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

EVERYWHERE = "Everywhere"


class HelpScreen(ModalScreen[None]):
    """Keys by what they act on; closes with any of its own."""

    CSS = """
    HelpScreen { align: center middle; background: transparent; }
    HelpScreen > VerticalScroll {
        width: 76; max-width: 96%; max-height: 92%; height: auto; padding: 0 2; background: $panel;
        border: round $primary; border-title-color: $foreground; border-subtitle-color: $foreground 60%;
    }
    HelpScreen Static { height: auto; }
    """
    BINDINGS = [Binding("escape,question_mark,q", "dismiss", "Close", id="help.close")]

    def __init__(self, bindings: Iterable[ActiveBinding], keymap: dict[str, str]) -> None:
        super().__init__()
        self._keys = grouped(bindings)
        self._keymap = keymap

    def compose(self) -> ComposeResult:
        with VerticalScroll() as box:
            box.border_title = "Keys"
            box.border_subtitle = "esc closes"
            yield Static(self._table())

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_column(justify="right", no_wrap=True)
        table.add_column()
        for title, rows in self._keys.items():
            table.add_row("", Text(title, "bold underline"))
            for keys, description, action_id in rows:
                note = f"   {action_id}" if action_id else ""
                table.add_row(Text(keys, "bold"), Text(description).append(note, "dim"))
        return table


def grouped(bindings: Iterable[ActiveBinding]) -> dict[str, list[tuple[str, str, str]]]:
    """(keys, what they do, action id) under the name of what they act on."""
    merged: dict[tuple[str, str], tuple[list[str], Binding]] = {}
    for active in bindings:
        binding = active.binding
        if not binding.description or not binding.id:  # without an id it is Textual's own: scrolling, copying
            continue
        title = getattr(type(active.node), "TITLE_OF_KEYS", None) or EVERYWHERE
        merged.setdefault((title, binding.action), ([], binding))[0].append(_key(binding))
    found: dict[str, list[tuple[str, str, str]]] = {}
    for (title, _action), (keys, binding) in merged.items():
        row = (" ".join(dict.fromkeys(keys)), binding.tooltip or binding.description, binding.id or "")
        found.setdefault(title, []).append(row)
    last = found.pop(EVERYWHERE, None)
    return found | {EVERYWHERE: last} if last else found


def _key(binding: Binding) -> str:
    from textual.keys import format_key

    return binding.key_display or "+".join(format_key(part) for part in binding.key.split("+"))
