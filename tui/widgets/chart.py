"""One chart: drawn in a thread for the widget's size, sent to the terminal only where its rows changed."""

from __future__ import annotations

import asyncio

from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from tui.charts.draw import paint
from tui.charts.picture import AXIS, COLOURS, FAINT, MARK, TEXT, Grid, Picture
from tui.themes import curve_colours, palette


class Chart(Widget):
    """Shows a Picture; an equal Picture costs nothing, a changed one repaints the rows that differ."""

    DEFAULT_CSS = "Chart { width: 1fr; height: 1fr; min-height: 3; }"

    def __init__(self, picture: Picture, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._picture = picture
        self._strips: list[Strip] = []
        self._drawn_for: tuple[Picture, int, int, str] | None = None
        self._sheet = Grid(0, 0)  # as last drawn: another theme only inks it anew
        self._drawing = False

    @property
    def picture(self) -> Picture:
        """What is shown now."""
        return self._picture

    def show(self, picture: Picture) -> None:
        """Draw this from now on."""
        if picture != self._picture:
            self._picture = picture
            self._redraw()

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, lambda _theme: self._redraw())

    def on_resize(self) -> None:
        self._redraw()

    def on_show(self) -> None:
        self._redraw()

    def _redraw(self) -> None:
        if self.is_attached and self.size.width and not self._drawing:
            self._drawing = True
            # not a coroutine yet, the screen may be leaving; of a function that makes one mypy cannot tell the result
            self.run_worker(self._draw, exclusive=False)  # type: ignore[arg-type]

    async def _draw(self) -> None:
        try:
            while (wanted := self._key()) != self._drawn_for and self.size.width:
                picture, width, height, _theme = wanted
                if self._drawn_for is None or wanted[:3] != self._drawn_for[:3]:
                    self._sheet = await asyncio.to_thread(
                        paint, picture.curves, width, height, picture.title, picture.axes, True, picture.marks
                    )
                self._drawn_for = wanted
                self._take(self._strips_of(self._sheet))
        finally:
            self._drawing = False

    def _key(self) -> tuple[Picture, int, int, str]:
        return self._picture, self.size.width, self.size.height, self.app.theme

    def _take(self, strips: list[Strip]) -> None:
        before, self._strips = self._strips, strips
        if len(before) != len(strips):
            self.refresh()
            return
        changed = [row for row, strip in enumerate(strips) if strip != before[row]]
        if changed:
            self.refresh(*(Region(0, row, self.size.width, 1) for row in changed))

    def _strips_of(self, grid: Grid) -> list[Strip]:
        """Rows with all their style, the widget's own background included: asking for that takes as long as a row."""
        base, inks = self.rich_style, palette(self.app)
        background, colours = Color.parse(inks["background"]), curve_colours(self.app.current_theme)
        styles = {
            AXIS: base + Style(color=inks["axis"]),
            TEXT: base + Style(bold=True),
            MARK: base + Style(color=inks["accent"], bold=True),
        }
        for index in range(COLOURS):
            styles[index] = base + Style(color=colours[index])
            styles[index + FAINT] = base + Style(color=background.blend(Color.parse(colours[index]), 0.4).hex6)
        return [
            Strip([Segment(text, styles.get(ink, base)) for text, ink in grid.runs(row)], grid.width)
            for row in range(grid.height)
        ]

    def render_line(self, y: int) -> Strip:
        """The row as drawn last."""
        strip = self._strips[y] if y < len(self._strips) else Strip([], 0)
        if strip.cell_length == self.size.width:
            return strip
        return strip.adjust_cell_length(self.size.width, self.rich_style)
