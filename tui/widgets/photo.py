"""A photograph in the terminal: by its own graphics where it has any, else two pixels to a cell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Static

from tui import graphics

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_PIXELS = 1600  # on the longer side: more than any terminal shows, little enough to keep
SHARPEST = 3000  # a contact sheet that is looked at closely
HALF = "▀"


class HalfBlocks(Widget):
    """A picture at two pixels to a cell."""

    DEFAULT_CSS = "HalfBlocks { width: auto; height: auto; }"

    def __init__(self, strips: list[Strip]) -> None:
        super().__init__()
        self._strips = strips
        self.styles.width = strips[0].cell_length if strips else 0
        self.styles.height = len(strips)

    def render_line(self, y: int) -> Strip:
        """One line of upper and lower pixels."""
        return self._strips[y] if y < len(self._strips) else Strip.blank(self.size.width)


class Photo(Vertical):
    """One picture of a file in a box of cells, with its caption; read and scaled in a thread."""

    DEFAULT_CSS = """
    Photo { width: auto; height: auto; }
    Photo > .caption { width: 100%; height: auto; color: $foreground 80%; }
    Photo > .missing { width: auto; height: auto; color: $warning; }
    """

    def __init__(self, path: Path, caption: Content, columns: int, lines: int) -> None:
        super().__init__()
        self._path, self._caption, self._box = path, caption, (columns, lines)
        self.styles.width = columns

    def compose(self) -> ComposeResult:
        if self._caption:
            yield Static(self._caption, classes="caption")

    def on_mount(self) -> None:
        self.run_worker(self._load())

    async def _load(self) -> None:
        columns, lines = self._box
        try:
            shown = await (self._by_kitty if graphics.kind() == "kitty" else self._by_cells)(columns, lines)
        except (OSError, ValueError) as error:
            reason = "no such file" if isinstance(error, FileNotFoundError) else "cannot be read"
            shown = Static(f"⚠ {reason}", classes="missing", markup=False)
        if self.is_attached:
            await self.mount(shown, before=0)

    async def _by_kitty(self, columns: int, lines: int) -> Widget:
        picture = await asyncio.to_thread(read, self._path, MOST_PIXELS)
        shown = graphics.kitty_picture()(picture)  # type: ignore[arg-type]
        box = min(columns, graphics.LARGEST), min(lines, graphics.LARGEST)
        shown.styles.width, shown.styles.height = fitted(picture.size, *box, graphics.ability.cell)
        return shown

    async def _by_cells(self, columns: int, lines: int) -> Widget:
        kind, strips = await asyncio.to_thread(_strips, self._path, columns, lines)
        return kind(strips)


def read(path: Path, longest: int) -> Image:
    """The picture as RGB, upright, at most `longest` pixels on a side. Raises OSError or ValueError."""
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as file:
            file.draft("RGB", (longest, longest))
            picture = ImageOps.exif_transpose(file).convert("RGB")
    except Image.DecompressionBombError as error:
        raise ValueError(str(error)) from error
    picture.thumbnail((longest, longest))
    return picture


def fitted(size: tuple[int, int], columns: int, lines: int, cell: tuple[int, int] = (1, 2)) -> tuple[int, int]:
    """The largest box of cells with the picture's proportions in `columns` x `lines`; a cell is `cell` pixels."""
    (width, height), (across, down) = size, cell
    scale = min(columns * across / width, lines * down / height)
    return max(1, round(width * scale / across)), max(1, round(height * scale / down))


def _strips(path: Path, columns: int, lines: int) -> tuple[Callable[[list[Strip]], Widget], list[Strip]]:
    picture = read(path, SHARPEST)
    if graphics.kind() == "sixel":
        from tui.widgets.sixel import Sixels, sixel_strips

        cell = graphics.ability.cell
        return Sixels, sixel_strips(picture, *fitted(picture.size, columns, lines, cell), cell)
    return HalfBlocks, half_blocks(picture, *fitted(picture.size, columns, lines))


def half_blocks(picture: Image, columns: int, lines: int) -> list[Strip]:
    """The picture as `lines` lines of `columns` cells: the upper pixel is the text's colour, the lower the ground's."""
    from PIL import Image

    small = picture.size[0] < columns
    method = Image.Resampling.NEAREST if small else Image.Resampling.BOX
    data = picture.resize((columns, 2 * lines), method).tobytes()
    colours = [Color.from_rgb(*data[at : at + 3]) for at in range(0, len(data), 3)]
    rows = [colours[row * columns : (row + 1) * columns] for row in range(2 * lines)]
    return [
        Strip(
            [Segment(HALF, Style(color=above, bgcolor=below)) for above, below in zip(upper, lower, strict=True)],
            columns,
        )
        for upper, lower in zip(rows[::2], rows[1::2], strict=True)
    ]
