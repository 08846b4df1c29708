"""The real `clf tui` on a pseudo-terminal that answers like the terminal it plays."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from recipes.home import Home

DEADLINE = 240.0  # seconds; only a machine with much else to do needs so many
# makes the pseudo-terminal the controlling one, as a shell that stops and resumes its jobs needs it
TAKE_OVER = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execvp(sys.argv[1], sys.argv[1:])"


class Terminal:
    """`clf tui` on `columns` x `lines`; what it sends is kept up to its last 200,000 characters.

    `graphics` is "", "sixel" or "kitty": what the terminal says it can draw when asked; "silent" terminals say nothing,
    "odd" ones something that nobody can read, "late" ones what they can a while later. `ahead` is typed when asked.
    """

    def __init__(
        self,
        home: Home,
        *,
        columns: int = 110,
        lines: int = 34,
        graphics: str = "",
        ahead: bytes = b"",
        command: list[str] | None = None,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.graphics, self._ahead = graphics, ahead
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        variables = {**os.environ, "CLF_HOME": str(home.root), "TERM": "xterm-256color", "OMP_NUM_THREADS": "1"}
        root = Path(__file__).parents[2]
        command = command or [sys.executable, "-m", "tui.cli", "tui"]
        self.process = subprocess.Popen(
            [sys.executable, "-c", TAKE_OVER, *command],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=variables | (environment or {}),
            cwd=root,
            start_new_session=True,
        )
        os.close(slave)
        self.seen = ""

    def press(self, keys: str) -> None:
        """Type something and look a moment at what comes of it."""
        os.write(self.master, keys.encode())
        self.drain(0.15)

    def resize(self, columns: int, lines: int) -> None:
        """Another size, with the signal a terminal sends."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def drain(self, seconds: float) -> None:
        """Read for that long."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self.master], [], [], left)[0]:
                try:
                    new = os.read(self.master, 65536).decode(errors="replace")
                except OSError:
                    return
                self.seen = (self.seen + new)[-200_000:]
                self._answer(new)

    def _answer(self, asked: str) -> None:
        if "\x1b[c" in asked:
            half = len(self._ahead) // 2
            os.write(self.master, self._ahead[: None if self.graphics == "silent" else half])
        if self.graphics == "silent":
            return
        if self.graphics == "odd" and "\x1b[16t" in asked:
            os.write(self.master, b"\xff\xfe")
            return
        if self.graphics == "kitty" and (question := re.search(r"\x1b_Gi=(\d+),[^\x1b]*a=q", asked)):
            os.write(self.master, f"\x1b_Gi={question[1]};OK\x1b\\\x1bP>|kitty(0.35.2)\x1b\\".encode())
        if self.graphics == "late" and "\x1b[c" in asked:
            time.sleep(0.5)
        if "\x1b[16t" in asked:
            os.write(self.master, b"\x1b[6;20;10t")
        if "\x1b[c" in asked:
            os.write(self.master, b"\x1b[?62;4c" if self.graphics == "sixel" else b"\x1b[?62c")
            os.write(self.master, self._ahead[half:])

    def until(self, what: Callable[[], object]) -> None:
        """Read until it is so; fails after DEADLINE."""
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            if what():
                return
            self.drain(0.2)
        pytest.fail(f"it did not come about; the terminal's last words: {self.seen[-2000:]!r}")

    def text(self) -> str:
        """What was seen without its control sequences."""
        return re.sub(r"\x1b\[[0-9;?<>=]*[a-zA-Z$]|\x1b[_P\]][^\x1b\x07]*(\x1b\\\\|\x07)", "", self.seen)

    def close(self) -> None:
        """End the app if it still runs, and close the terminal."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(120)
        os.close(self.master)
