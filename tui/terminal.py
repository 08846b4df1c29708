"""Whether the terminal this app draws on is still there."""

from __future__ import annotations

import os
import sys


class Terminal:
    """The terminal on standard input, as it was when the app began."""

    def __init__(self) -> None:
        self._watched = sys.stdin is not None and sys.stdin.isatty()

    def gone(self) -> bool:
        """True once its other end was closed: a hang-up that came without, or was not heard as, SIGHUP.

        Without this an orphaned app would read end-of-file for ever, at half a core.
        """
        if not self._watched or os.name == "nt":
            return False
        import termios

        try:
            termios.tcgetattr(0)
        except (termios.error, OSError):
            return True
        return False
