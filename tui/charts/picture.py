"""What a chart is made of before and after drawing: curves and marks go in, rows of inked text come out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from tui.charts.scale import Unit

COLOURS = 8  # curves have this many colours and glyphs of their own, then they repeat
GLYPHS = "●▲■◆▼★✚◉"
PLAIN_GLYPHS = "*+xo#@%&"

# Inks 0..7 are the curves' colours, 8..15 the same, faint; then what is not a curve.
FAINT, AXIS, TEXT, MARK, NONE = 8, 16, 17, 18, 19
PLAIN_INKS = (34, 33, 32, 35, 36, 31, 94, 93)  # SGR foregrounds that can be told apart on black and on white


@dataclass(frozen=True)
class Curve:
    """One series: xs rise; a y of None, NaN or an infinity leaves a gap."""

    name: str
    xs: Sequence[float]
    ys: Sequence[float | None]
    colour: int = 0  # index of the colour and glyph, taken modulo COLOURS
    faint: bool = False  # the raw readings behind a smoothed curve: no glyph, no legend
    value: float | None = None  # what the legend says; None: the last finite y
    series: str = ""  # the metric it draws, such as "val/accuracy"
    note: str = ""  # words behind the value


@dataclass(frozen=True)
class Mark:
    """A vertical line at x (y is None), or a sign at a point."""

    x: float
    y: float | None = None
    label: str = ""
    glyph: str = "┊"
    curve: int | None = None  # takes the colour of this curve


@dataclass(frozen=True)
class Axes:
    """How the numbers are read: units, logarithm, and the part of x that is shown (None: all of it)."""

    y: Unit = Unit.NUMBER
    x: Unit = Unit.EPOCH
    log_y: bool = False
    window: tuple[float, float] | None = None
    y_limits: tuple[float, float] | None = None
    least: tuple[float, ...] = ()  # values the y axis includes whatever the curves do


@dataclass(frozen=True)
class Picture:
    """All that decides how a chart looks, but for its size and colours."""

    title: str
    curves: tuple[Curve, ...] = ()
    axes: Axes = Axes()
    marks: tuple[Mark, ...] = ()


@dataclass
class Grid:
    """A sheet of cells, each a character and its ink; (0, 0) is the upper left."""

    width: int
    height: int
    characters: list[list[str]] = field(init=False)
    inks: list[list[int]] = field(init=False)

    def __post_init__(self) -> None:
        self.characters = [[" "] * self.width for _ in range(self.height)]
        self.inks = [[NONE] * self.width for _ in range(self.height)]

    def put(self, row: int, column: int, character: str, ink: int) -> None:
        """One cell; outside the sheet nothing happens."""
        if 0 <= row < self.height and 0 <= column < self.width:
            self.characters[row][column] = character
            self.inks[row][column] = ink

    def write(self, row: int, column: int, text: str, ink: int) -> int:
        """Text from a cell on, cut at the edge; the column after it."""
        for offset, character in enumerate(text):
            self.put(row, column + offset, character, ink)
        return column + len(text)

    def runs(self, row: int) -> Iterator[tuple[str, int]]:
        """The row as stretches of one ink."""
        cells = zip(self.characters[row], self.inks[row], strict=True)
        for ink, group in groupby(cells, key=lambda cell: cell[1]):
            yield "".join(character for character, _ in group), ink


def glyph(index: int, unicode: bool) -> str:
    """The sign of a curve, so that colour is never the only one."""
    return (GLYPHS if unicode else PLAIN_GLYPHS)[index % COLOURS]


def to_ansi(grid: Grid, colour: bool) -> str:
    """The sheet as lines of text, with SGR colours when `colour`."""
    lines = []
    for row in range(grid.height):
        runs = grid.runs(row)
        line = "".join(_paint(text, ink) for text, ink in runs) if colour else "".join(grid.characters[row])
        lines.append(line.rstrip())
    return "\n".join(lines)


def _paint(text: str, ink: int) -> str:
    code: Callable[[], str] = {AXIS: lambda: "2", TEXT: lambda: "", MARK: lambda: "1", NONE: lambda: ""}.get(
        ink, lambda: f"{'2;' if ink >= FAINT else ''}{PLAIN_INKS[ink % COLOURS]}"
    )
    sgr = code()
    return f"\x1b[{sgr}m{text}\x1b[0m" if sgr and not text.isspace() else text
