"""A picture as sixels, one strip of them to each line of cells, so that any part of it can be drawn again by itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.segment import ControlType, Segment
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

if TYPE_CHECKING:
    from PIL.Image import Image

COLOURS = 128  # 256 take a third more bytes and time, and look no better
BAND = 6  # rows of pixels to a sixel
RUN = re.compile(rb"(.)\1{3,}", re.DOTALL)


def sixel_strips(picture: Image, columns: int, lines: int, cell: tuple[int, int]) -> list[Strip]:
    """The RGB `picture` on `columns` x `lines` cells of `cell` = (width, height) pixels."""
    from PIL import Image

    size = columns * cell[0], lines * cell[1]
    drawn = picture.resize(size, Image.Resampling.LANCZOS).quantize(COLOURS, Image.Quantize.MEDIANCUT)
    pixels = np.asarray(drawn)
    flat = [round(value * 100 / 255) for value in drawn.getpalette() or []]
    registers = [";".join(map(str, flat[at : at + 3])) for at in range(0, len(flat), 3)]
    height = cell[1]
    return [
        SixelStrip(_Line(pixels[line * height : (line + 1) * height], registers, cell[0]), 0, columns)
        for line in range(lines)
    ]


class Sixels(Widget):
    """A picture by `strips`, which are handed on whole: Textual would cut through the sixels between them."""

    def __init__(self, strips: Sequence[Strip]) -> None:
        super().__init__()
        self._strips = strips
        self.styles.width, self.styles.height = strips[0].cell_length, len(strips)

    def render_lines(self, crop: Region) -> list[Strip]:
        """The part that is to be seen."""
        lines = [strip.crop(crop.x, crop.right) for strip in self._strips[crop.y : crop.bottom]]
        return lines + [Strip.blank(crop.width)] * (crop.height - len(lines))

    def render_line(self, y: int) -> Strip:
        """The line under the mouse, where Textual looks for what was clicked."""
        return self._strips[y]


class _Line:
    """The pixels behind one line of cells: (cell height, width) of uint8, each the number of a register."""

    def __init__(self, pixels: np.ndarray[Any, Any], registers: Sequence[str], cell_width: int) -> None:
        self._pixels, self._registers, self._cell_width = pixels, registers, cell_width
        self.part = lru_cache(4)(self._part)

    def _part(self, start: int, end: int) -> str:
        """The cells from `start` to `end` as sixels, drawn to the left of the cursor, which stays where it is."""
        pixels = self._pixels[:, start * self._cell_width : end * self._cell_width]
        return f"\x1b7\x1b[{end - start}D{encoded(pixels, self._registers)}\x1b8"


class SixelStrip(Strip):
    """Blank cells with sixels over them; however it is cut, each piece draws its own part."""

    def __init__(self, line: _Line, start: int, end: int) -> None:
        self._line, self._start = line, start
        columns = end - start
        drawn = [Segment(line.part(start, end), None, [(ControlType.CURSOR_FORWARD, 0)])] if columns else []
        super().__init__([Segment(" " * columns), *drawn], columns)

    def crop(self, start: int, end: int | None = None) -> Strip:
        """The part from `start` to before `end`."""
        start, end = max(0, start), self.cell_length if end is None else min(self.cell_length, end)
        if (start, end) == (0, self.cell_length):
            return self
        return SixelStrip(self._line, self._start + start, self._start + max(start, end))

    def divide(self, cuts: Iterable[int]) -> Sequence[Strip]:
        """Parts that end at each of `cuts`."""
        ends = [cut for cut in cuts if cut <= self.cell_length]
        return [self.crop(start, end) for start, end in zip([0, *ends], ends, strict=False)]

    def apply_filter(self, filter: Any, background: Any) -> Strip:
        """A picture keeps its colours."""
        del filter, background
        return self

    def apply_style(self, style: Any) -> Strip:
        """A picture keeps its colours."""
        del style
        return self


def encoded(pixels: np.ndarray[Any, Any], registers: Sequence[str]) -> str:
    """`pixels` (height, width) of numbers of `registers` ("r;g;b" in percent) as one sixel picture."""
    height, width = pixels.shape
    out = [f'\x1bP0;1;0q"1;1;{width};{height}', *(f"#{colour};2;{registers[colour]}" for colour in np.unique(pixels))]
    for top in range(0, height, BAND):
        band = pixels[top : top + BAND]
        weights = (1 << np.arange(len(band)))[:, None]
        for colour in np.unique(band):
            row = (((band == colour) * weights).sum(0) + 63).astype(np.uint8).tobytes().rstrip(b"?")
            shorter = RUN.sub(lambda run: b"!%d%c" % (len(run[0]), run[0][0]), row)
            out.append(f"#{colour}{shorter.decode('ascii')}$")
        out.append("-")
    return "".join(out[:-1]) + "\x1b\\"
