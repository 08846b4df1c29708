"""How keys are written, the same at the foot, in the help and in notices: ``ctrl+s``, ``enter``, ``pgdn``."""

from __future__ import annotations

from textual.binding import Binding
from textual.keys import format_key


def named(binding: Binding) -> str:
    """The key of a binding, in the words of docs/tui.md."""
    return binding.key_display or "+".join(format_key(part) for part in binding.key.split("+")).replace("⏎", "enter")
