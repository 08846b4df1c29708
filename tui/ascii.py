"""For terminals without Unicode: every sign on the screen becomes one of the 95 printable ASCII characters."""

from __future__ import annotations

import locale
import os
import unicodedata
from functools import lru_cache

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

_SIGNS = {
    **dict.fromkeys("─━═╌┄┈▔▁╸╺╴╶", "-"),
    **dict.fromkeys("│┃║┊┆▏▕▌▐▎▍╎", "|"),
    **dict.fromkeys("┌┐└┘├┤┬┴┼╭╮╰╯╔╗╚╝", "+"),
    **dict.fromkeys("█▇▆▅▄▃▂▓▒▀▊▉▋", "#"),
    **dict.fromkeys("✓✔√", "v"),
    **dict.fromkeys("✗✘×", "x"),
    **dict.fromkeys("▶▸►❯→", ">"),
    **dict.fromkeys("◀◂←", "<"),
    **dict.fromkeys("▲△↑", "^"),
    **dict.fromkeys("▼▽↓⏷", "v"),
    **dict.fromkeys("•★", "*"),
    **dict.fromkeys("●○◦◇□", "o"),
    "■": "#",  # this and the next: the signs of curves stay different
    "◆": "%",
    "✚": "+",
    "◉": "@",
    **dict.fromkeys("·…‥", "."),
    **dict.fromkeys("–—‐‑", "-"),
    "‖": "=",
    "°": "d",
    "⚠": "!",
    "−": "-",
    "±": "~",
    "≈": "~",
    "\u00a0": " ",
    "⠀": " ",
}


class AsciiFilter(LineFilter):
    """The last step of rendering: no widget has to know."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The same segments, width kept, in ASCII."""
        del background
        return [Segment(to_ascii(text), style, control) for text, style, control in segments]


@lru_cache(4096)
def to_ascii(text: str) -> str:
    """The text with every character replaced by an ASCII one (two where it is two cells wide)."""
    return text if text.isascii() else "".join(_character(character) for character in text)


def _character(character: str) -> str:
    if character.isascii():
        return character
    if character in _SIGNS:
        return _SIGNS[character]
    if "⠀" < character <= "⣿":
        return "."
    plain = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    wide = unicodedata.east_asian_width(character) in "WF"
    return "??" if wide else (plain[0] if plain else "?")


def wanted(setting: bool | None = None) -> bool:
    """Whether to draw in ASCII: the setting, else CLF_ASCII, else what the terminal's encoding and type say."""
    if setting is not None:
        return setting
    if (environment := os.environ.get("CLF_ASCII")) is not None:
        return environment not in ("", "0")
    encoding = locale.getencoding().lower().replace("-", "")  # of the locale, whatever Python's UTF-8 mode makes of C
    plain = os.environ.get("TERM", "").startswith(("linux", "dumb", "vt"))
    return encoding not in ("utf8", "utf16", "cp65001") or plain
