"""Looking closer at charts by keyboard: zoom, pan, cursor, smoothing, logarithm, what x counts."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from dataclasses import replace
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message_pump import _MessagePumpMeta  # whose metaclass every widget and screen has

from tui.charts.panels import View
from tui.screens.live import LiveScreen

STRENGTHS = (0.0, 0.6, 0.9, 0.97)
X_AXES = ("epoch", "step", "time")


class AbstractScreen(_MessagePumpMeta, ABCMeta):
    """Textual's kind of class, with methods that a screen below has to have."""


class Closer(LiveScreen, metaclass=AbstractScreen):
    """Keeps a View; a screen below says how far x reaches and how wide its charts are, and draws them."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("plus,equals_sign", "zoom(0.5)", "Zoom in", key_display="+", show=False, id="chart.zoom_in"),
        Binding("minus", "zoom(2.0)", "Zoom out", key_display="-", show=False, id="chart.zoom_out"),
        Binding("0", "reset", "Show all", show=False, id="chart.reset"),
        Binding("left,h", "sideways(-1)", "Left", show=False, id="chart.left", tooltip="Pan, or move the cursor"),
        Binding("right,l", "sideways(1)", "Right", show=False, id="chart.right", tooltip="Pan, or move the cursor"),
        Binding(
            "shift+left,H", "sideways(-10)", "Far left", show=False, id="chart.far_left", tooltip="Ten times as far"
        ),
        Binding(
            "shift+right,L", "sideways(10)", "Far right", show=False, id="chart.far_right", tooltip="Ten times as far"
        ),
        Binding("c", "cursor", "Cursor", id="chart.cursor", tooltip="Read every series exactly at one place"),
        Binding("m", "smooth", "Smooth", id="chart.smooth", tooltip="Smoothing: off, 0.6, 0.9, 0.97"),
        Binding("g", "log_y", "Log y", id="chart.log", tooltip="Logarithmic y axis"),
        Binding("i", "x_axis", "X axis", show=False, id="chart.x", tooltip="x counts epochs, steps or time"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.window: tuple[float, float] | None = None
        self.cursor: float | None = None

    @abstractmethod
    def reach(self) -> tuple[float, float]:
        """The smallest and largest x there is."""

    @abstractmethod
    def columns(self) -> int:
        """Of the terminal, that a chart takes."""

    def view(self) -> View:
        """How to draw now."""
        kept, columns = self.clf.remembered, max(40, self.columns())
        if self.window:  # read as densely as the part that is seen needs
            low, high = self.reach()
            columns = min(4000, round(columns * (high - low) / max(1e-9, self.window[1] - self.window[0])))
        base = View(columns, kept.smoothing, kept.log_y, self.window, self.cursor)
        return replace(base, x_axis=kept.x_axis if kept.x_axis in X_AXES else "epoch")

    def _shown(self) -> tuple[float, float]:
        return self.window or self.reach()

    def action_zoom(self, factor: float) -> None:
        """About the cursor, else about the newest end."""
        (low, high), (first, last) = self._shown(), self.reach()
        middle = self.cursor if self.cursor is not None else high
        span = (high - low) * factor
        if span >= last - first:
            self.window = None
        elif span > (last - first) / 1000:
            low = min(max(first, middle - (middle - low) * factor), last - span)
            self.window = (low, low + span)
        self.load_charts()

    def action_reset(self) -> None:
        self.window = self.cursor = None
        self.load_charts()

    def action_sideways(self, by: int) -> None:
        low, high = self._shown()
        if self.cursor is not None:
            self._move_cursor(by)
        elif self.window is not None:
            first, last = self.reach()
            shift = (high - low) / 8 * by
            shift = min(max(shift, first - low), last - high)
            self.window = (low + shift, high + shift)
        self.load_charts()

    def _move_cursor(self, by: int) -> None:
        """By an epoch where x counts epochs, else by a hundredth of what is seen; at the edge the view goes along."""
        (low, high), (first, last) = self._shown(), self.reach()
        step = 1.0 if self.clf.remembered.x_axis == "epoch" and high - low > 2 else (high - low) / 100
        assert self.cursor is not None
        self.cursor = min(max(first, self.cursor + by * step), last)
        shift = max(0.0, self.cursor - high) + min(0.0, self.cursor - low)
        if self.window is not None and shift:
            self.window = (low + shift, high + shift)

    def action_cursor(self) -> None:
        high = self._shown()[1]
        self.cursor = (float(int(high)) if high >= 1 else high) if self.cursor is None else None
        self.load_charts()

    def action_smooth(self) -> None:
        kept = self.clf.remembered
        place = STRENGTHS.index(kept.smoothing) if kept.smoothing in STRENGTHS else -1
        kept.smoothing = STRENGTHS[(place + 1) % len(STRENGTHS)]
        self._changed()

    def action_log_y(self) -> None:
        self.clf.remembered.log_y = not self.clf.remembered.log_y
        self._changed()

    def action_x_axis(self) -> None:
        kept = self.clf.remembered
        place = X_AXES.index(kept.x_axis) if kept.x_axis in X_AXES else 0
        kept.x_axis = X_AXES[(place + 1) % len(X_AXES)]
        self.window = self.cursor = None
        self._changed()

    def _changed(self) -> None:
        self.clf.remember()
        self.load_charts()
