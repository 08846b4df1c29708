"""Several charts in the room there is: side by side, one below the other, or one at a time behind tabs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Container
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


class ChartPanel(Widget):
    """Shows as many of its charts as fit; `turn` brings the next ones."""

    DEFAULT_CSS = """
    ChartPanel { height: 1fr; layout: vertical; }
    ChartPanel > .tabs { height: 1; color: $foreground 60%; display: none; text-wrap: nowrap; }
    ChartPanel.folded > .tabs { display: block; }
    ChartPanel > .grid { layout: grid; height: 1fr; grid-gutter: 0 2; grid-size: 1; }
    """

    class Turned(Message):
        """Other charts are visible now and want their data."""

    def __init__(self, keys: Sequence[str], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.keys = tuple(keys)
        self._charts = {key: Chart(Picture(TITLES[key]), id=f"chart-{key}") for key in self.keys}
        self._grid = Container(classes="grid")
        self._first = 0
        self._shape = (1, len(self.keys))

    def compose(self) -> ComposeResult:
        yield Static(classes="tabs")
        with self._grid:
            yield from self._charts.values()

    @property
    def visible_keys(self) -> tuple[str, ...]:
        """The charts that are on the screen, first to last."""
        columns, rows = self._shape
        room = max(1, columns * rows)
        if room >= len(self.keys):
            return self.keys
        return tuple(self.keys[(self._first + offset) % len(self.keys)] for offset in range(room))

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
        self._arrange()
        self.post_message(self.Turned())

    def on_resize(self) -> None:
        width, height = self.size
        columns = 2 if width >= 2 * LEAST_WIDTH + 2 else 1
        rows = max(1, height // LEAST_HEIGHT)
        rows = min(rows, -(-len(self.keys) // columns))
        if (columns, rows) != self._shape:
            self._shape = (columns, rows)
            self._arrange()
        self.post_message(self.Turned())  # a panel that had no size yet could not be drawn

    def on_mount(self) -> None:
        self._arrange()

    def _arrange(self) -> None:
        visible, grid = self.visible_keys, self._grid
        if len(grid.children) < len(self.keys):  # being built or taken down
            return
        grid.styles.grid_size_columns = self._shape[0]
        for key in self.keys:
            self.chart(key).display = key in visible
        for key in visible:  # a turned panel starts with another chart
            grid.move_child(self.chart(key), after=len(grid.children) - 1)
        self.set_class(len(visible) < len(self.keys), "folded")
        marked = f"bold on {palette(self.app)['cursor']}"
        names = [Text(f" {TITLES[key]} ", marked if key in visible else "") for key in self.keys]
        self.query_one(".tabs", Static).update(Text(" ").join(names))
