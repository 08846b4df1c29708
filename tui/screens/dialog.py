"""A box over the screen that asks or explains; the screen below stays as it is.

Its looks stand in app.tcss: a screen with CSS of its own makes Textual parse and apply all styles anew when it opens.
"""

from __future__ import annotations

from typing import TypeVar

from textual.events import ScreenResume
from textual.reactive import Reactive
from textual.screen import ModalScreen
from textual.widget import Widget

Answer = TypeVar("Answer")


class Dialog(ModalScreen[Answer]):
    """Opens with one repaint: it was styled as it was mounted, and the focus repaints what has it."""

    focused: Reactive[Widget | None] = Reactive(None, repaint=False)

    def on_screen_resume(self, event: ScreenResume) -> None:
        """A dialog is on top from its first moment to its last, so its styles are as they were."""
        event.refresh_styles = False
