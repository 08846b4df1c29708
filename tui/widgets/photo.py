"""A photograph in the terminal: by its own graphics where it has any, else two pixels to a cell."""

from __future__ import annotations

import asyncio
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
    """A picture at two pixels to a cell; cells are about twice as high as wide, so pixels come out square."""

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
        real = graphics.real_picture()
        try:
            if real is None:
                shown: Widget = HalfBlocks(await asyncio.to_thread(_half_blocks, self._path, columns, lines))
            else:
                picture = await asyncio.to_thread(read, self._path, MOST_PIXELS)
                shown = real(picture)  # type: ignore[arg-type]
                shown.styles.width, shown.styles.height = fitted(picture.size, columns, lines)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else "cannot be read"
            shown = Static(f"⚠ {self._path.name}: {reason}", classes="missing", markup=False)
        if self.is_attached:
            await self.mount(shown, before=0)


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


def fitted(size: tuple[int, int], columns: int, lines: int) -> tuple[int, int]:
    """The largest box of cells with the picture's proportions in `columns` x `lines`, pixels taken as square."""
    width, height = size
    scale = min(columns / width, 2 * lines / height)
    return max(1, round(width * scale)), max(1, round(height * scale / 2))


def _half_blocks(path: Path, columns: int, lines: int) -> list[Strip]:
    picture = read(path, SHARPEST)
    return half_blocks(picture, *fitted(picture.size, columns, lines))


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
