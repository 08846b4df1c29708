"""Text by the cells it takes on the terminal, of which an ideogram and most emoji take two: cut, padded, folded."""

from __future__ import annotations

from functools import cache
from textwrap import wrap

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text


def fit(text: str, width: int, right: bool = False) -> str:
    """Exactly `width` cells of it."""
    taken = cell_len(text)
    if taken > width:
        return set_cell_size(text, width - 1) + "…" if width > 0 else ""
    return " " * (width - taken) + text if right else text + " " * (width - taken)


def ending(text: str, width: int) -> str:
    """At most `width` cells of it; where that cuts, the end is kept."""
    if cell_len(text) <= width:
        return text
    start = len(text)
    while start and cell_len(text[start - 1 :]) < width:
        start -= 1
    return f"…{text[start:]}" if width > 0 else ""


def fold(text: str, width: int) -> list[str]:
    """Lines of at most `width` cells, broken at blanks where there are any."""
    if text.isascii():
        return wrap(text, width)
    return [line.plain.rstrip() for line in Text(" ".join(text.split())).wrap(_console(), width)]


@cache
def _console() -> Console:
    """Rich folds text only with one at hand."""
    return Console()
