"""A job's charts by keyboard: looking closer, and turning to the next chart."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from textual.binding import Binding, BindingType

from tui.screens.closer import Closer
from tui.screens.job_actions import JobActions
from tui.widgets.chart_panel import ChartPanel

CHART_ACTIONS = frozenset({"zoom", "reset", "sideways", "cursor", "smooth", "log_y", "x_axis", "turn"})


class ChartKeys(Closer, JobActions):
    """A screen below says which panel shows the charts."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right_square_bracket", "turn(1)", "Next chart", key_display="]", show=False, id="charts.next"),
        Binding("left_square_bracket", "turn(-1)", "Previous chart", key_display="[", show=False, id="charts.previous"),
    ]

    @abstractmethod
    def panel(self) -> ChartPanel | None:
        """The panel that shows the charts, where it is visible."""

    def columns(self) -> int:
        return panel.size.width if (panel := self.panel()) is not None else 80

    def action_turn(self, by: int) -> None:
        if (panel := self.panel()) is not None:
            panel.turn(by)

    def on_chart_panel_turned(self) -> None:
        self.load_charts()
