"""A line of input whose cursor does not blink: blinking is a repaint twice a second, for ever, over the network."""

from __future__ import annotations

from textual.reactive import reactive
from textual.widgets import Input


class Line(Input):
    """Textual's Input with a still cursor."""

    cursor_blink = reactive(False, init=False)
