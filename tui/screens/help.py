"""Every key that works here, read from the bindings themselves."""

from __future__ import annotations

from collections.abc import Iterable

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding
from textual.containers import VerticalScroll
from textual.widgets import Static

from tui.key_names import named
from tui.screens.dialog import Dialog

EVERYWHERE = "Everywhere"
MOVING = "List"


class HelpScreen(Dialog[None]):
    """Keys by what they act on; closes with any of its own."""

    BINDINGS = [Binding("escape,question_mark,q", "dismiss", "Close", id="help.close")]

    def __init__(self, bindings: Iterable[ActiveBinding], keymap: dict[str, str]) -> None:
        super().__init__()
        self._keys = grouped(bindings)
        self._keymap = keymap

    def compose(self) -> ComposeResult:
        with VerticalScroll() as box:
            box.border_title = "Keys"
            box.border_subtitle = "esc closes"
            yield Static(self._text())

    def _text(self) -> Text:
        """Key, what it does, id in three columns; one Text, as a Table takes three times as long to lay out."""
        rows = [row for group in self._keys.values() for row in group]
        keys_width = max((len(keys) for keys, _said, _id in rows), default=0)
        said_width = max((len(said) for _keys, said, _id in rows), default=0)
        lines = Text()
        for title, group in self._keys.items():
            lines.append("\n" if lines else "").append(" " * (keys_width + 2)).append(f"{title}\n", "bold underline")
            for keys, said, action_id in group:
                lines.append(f"{keys:>{keys_width}}", "bold").append(f"  {said:{said_width}}")
                lines.append(f"  {action_id}\n", "dim")
        lines.rstrip()
        return lines


def grouped(bindings: Iterable[ActiveBinding]) -> dict[str, list[tuple[str, str, str]]]:
    """(keys, what they do, action id) under the name of what they act on."""
    merged: dict[tuple[str, str], tuple[list[str], Binding]] = {}
    for active in sorted(bindings, key=_place):
        binding = active.binding
        if not binding.description or not binding.id:  # without an id it is Textual's own: scrolling, copying
            continue
        title = getattr(type(active.node), "TITLE_OF_KEYS", None) or EVERYWHERE
        merged.setdefault((title, binding.action), ([], binding))[0].append(named(binding))
    found: dict[str, list[tuple[str, str, str]]] = {}
    for (title, _action), (keys, binding) in merged.items():
        row = (" ".join(dict.fromkeys(keys)), binding.tooltip or binding.description, binding.id or "")
        found.setdefault(title, []).append(row)
    order = sorted(found, key=lambda title: (title == EVERYWHERE, title == MOVING))
    return {title: found[title] for title in order}


def _place(active: ActiveBinding) -> int:
    """Where the binding stands among those of its class and of what that builds on; Textual puts its own keys first."""
    declared = (vars(one).get("BINDINGS", ()) for one in reversed(type(active.node).__mro__))
    ids = [getattr(binding, "id", None) for bindings in declared for binding in bindings]
    return ids.index(active.binding.id) if active.binding.id in ids else -1
