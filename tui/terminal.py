"""The terminal this app draws on: how large it is, and whether it is still there."""

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


def follow_size() -> None:
    """Let the terminal itself say how large it is, at the start and after every change.

    `COLUMNS` and `LINES` would come first. Shells keep them to themselves, but a program that loads readline (Python's
    prompt, pytest) hands them on to what it starts, and the screen would keep that size for ever.
    """
    if sys.__stdout__ is not None and sys.__stdout__.isatty():
        for name in ("COLUMNS", "LINES"):
            os.environ.pop(name, None)


def _hung_up(descriptor: int) -> bool:
    """Whether the writing end of a pipe was closed."""
    import select

    watch = select.poll()
    watch.register(descriptor, select.POLLHUP)
    return any(event & select.POLLHUP for _, event in watch.poll(0))
