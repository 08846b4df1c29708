"""Blocks of text in as many columns as the width has room for, found anew at every width."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

GAP = 4  # cells between columns


class SideBySide:
    """The first of several layouts that fits, else the last; a layout is its columns from left to right."""

    def __init__(self, *layouts: Sequence[RenderableType]) -> None:
        self._layouts = layouts

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        columns: Sequence[RenderableType] = ()
        for columns in self._layouts:
            needed = sum(Measurement.get(console, options, column).maximum for column in columns)
            if needed + GAP * (len(columns) - 1) <= options.max_width:
                break
        table = Table.grid(padding=(0, GAP))
        table.add_row(*columns)
        yield table


def in_columns(document: Text) -> Group:
    """TOML with what stands before its first section on top, and the sections in up to four columns below."""
    about, *sections = [block for block in document.split("\n\n") if block]
    for block in (about, *sections):
        block.rstrip()
    return Group(about, Text(""), SideBySide(*(balanced(sections, columns) for columns in (4, 3, 2, 1))))


def balanced(blocks: Sequence[Text], columns: int) -> list[Text]:
    """The blocks in their order, an empty line between them, in columns of about the same height."""
    height = sum(_lines(block) + 1 for block in blocks)
    found, done = [Text() for _ in range(columns)], 0
    for block in blocks:
        middle = done + _lines(block) / 2
        column = found[min(columns - 1, int(middle * columns / max(1, height)))]
        column.append("\n\n" if column else "").append_text(block)
        done += _lines(block) + 1
    return found


def _lines(text: Text) -> int:
    return text.plain.count("\n") + 1
