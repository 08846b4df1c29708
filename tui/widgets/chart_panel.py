"""Several charts in the room there is: side by side, one below the other, or one at a time behind tabs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.geometry import NULL_OFFSET, NULL_SPACING, Region, Size
from textual.layout import ArrangeResult, Layout, WidgetPlacement
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Static

from tui.charts.picture import Picture
from tui.themes import palette
from tui.widgets.chart import Chart

TITLES = {
    "loss": "Loss",
    "accuracy": "Accuracy",
    "f1": "F1",
    "lr": "Learning rate",
    "gap": "Gap",
    "speed": "Speed",
    "memory": "Memory",
    "utilization": "Device use",
    "temperature": "Temperature",
    "power": "Power",
}
LEAST_WIDTH, LEAST_HEIGHT = 44, 7  # below this a chart says little
GUTTER = 2  # columns between charts side by side


class ChartPanel(Widget):
    """Shows as many of its charts as fit; `turn` brings the next ones."""

    DEFAULT_CSS = """
    ChartPanel { height: 1fr; }
    ChartPanel > .tabs { color: $quiet; text-wrap: nowrap; }
    """

    class Turned(Message):
        """Other charts are visible now and want their data."""

    def __init__(self, keys: Sequence[str], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.keys = tuple(keys)
        self._charts = {key: Chart(Picture(TITLES[key]), id=f"chart-{key}") for key in self.keys}
        self._first = 0
        self._panes = Panes()

    def compose(self) -> ComposeResult:
        yield Static(classes="tabs")
        yield from self._charts.values()

    @property
    def layout(self) -> Layout:
        """Places the charts."""
        return self._panes

    @property
    def visible_keys(self) -> tuple[str, ...]:
        """The charts that are on the screen, first to last."""
        return self.shown_in(self.size)

    def shown_in(self, size: Size) -> tuple[str, ...]:
        """The charts for which there is room in a panel of that size, first to last."""
        columns, rows = shape(size, len(self.keys))
        if columns * rows >= len(self.keys):
            return self.keys
        return tuple(self.keys[(self._first + offset) % len(self.keys)] for offset in range(columns * rows))

    def chart(self, key: str) -> Chart:
        """The chart of that name."""
        return self._charts[key]

    def show(self, pictures: Mapping[str, Picture]) -> None:
        """New pictures for some of the charts."""
        for key, picture in pictures.items():
            self._charts[key].show(picture)

    def turn(self, by: int) -> None:
        """Bring the next (or previous) chart to the front."""
        self._first = (self._first + by) % len(self.keys)
        self.refresh(layout=True)
        self._name_visible()
        self.post_message(self.Turned())

    def on_resize(self) -> None:
        self._name_visible()
        self.post_message(self.Turned())  # a panel that had no size yet could not be drawn

    def _name_visible(self) -> None:
        marked, visible = f"bold on {palette(self.app)['cursor']}", self.visible_keys
        names = [Text(f" {TITLES[key]} ", marked if key in visible else "") for key in self.keys]
        self.query_one(".tabs", Static).update(Text(" ").join(names), layout=False)


def shape(size: Size, charts: int) -> tuple[int, int]:
    """(columns, rows) in which at most that many charts stand, so that none is too small to read if more than one."""
    columns = 2 if size.width >= 2 * LEAST_WIDTH + GUTTER else 1
    return columns, min(max(1, size.height // LEAST_HEIGHT), -(-charts // columns))


class Panes(Layout):
    """A panel's charts on even shares of its room, below a line of their names where not all fit.

    A layout of our own because the shape follows from the size: widgets that change the styles of a grid when they are
    told their size are laid out, and their charts drawn, twice.
    """

    name = "panes"

    def arrange(self, parent: Widget, children: list[Widget], size: Size, greedy: bool = True) -> ArrangeResult:
        """Place the names and the charts that are shown; the others get no place and are not drawn."""
        del greedy  # every chart takes an even share
        assert isinstance(parent, ChartPanel)
        keys = parent.shown_in(size)
        columns, rows = shape(size, len(parent.keys))
        top = 1 if len(keys) < len(parent.keys) else 0
        placed = {child: Region(0, 0, size.width, 1) for child in children[:1] if top}
        for place, key in enumerate(keys):
            row, column = divmod(place, columns)
            left, right = (column * (size.width + GUTTER) // columns, (column + 1) * (size.width + GUTTER) // columns)
            low, high = (top + edge * (size.height - top) // rows for edge in (row, row + 1))
            placed[parent.chart(key)] = Region(left, low, right - left - GUTTER, high - low)
        return [
            WidgetPlacement(region, NULL_OFFSET, NULL_SPACING, child)
            for child in children
            if (region := placed.get(child))
        ]
