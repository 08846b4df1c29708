"""Whether the terminal this app draws on is still there."""

from __future__ import annotations

import os
import sys


class Terminal:
    """The terminal on standard input, or the pipe of the server that shows the app in a browser."""

    def __init__(self) -> None:
        self._watched = sys.stdin is not None and sys.stdin.isatty()
        self._served = "web_driver" in os.environ.get("TEXTUAL_DRIVER", "")

    def gone(self) -> bool:
        """True once its other end was closed: a hang-up that came without, or was not heard as, SIGHUP.

        Without this an orphaned app would read end-of-file for ever, at half a core.
        """
        if os.name == "nt":
            return False
        if self._served:
            return _hung_up(0)
        if not self._watched:
            return False
        import termios

        try:
            termios.tcgetattr(0)
        except (termios.error, OSError):
            return True
        return False


def _hung_up(descriptor: int) -> bool:
    """Whether the writing end of a pipe was closed."""
    import select

    watch = select.poll()
    watch.register(descriptor, select.POLLHUP)
    return any(event & select.POLLHUP for _, event in watch.poll(0))
