"""Being asked to leave, inside the child: signals and the flags in the database."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from db import records
from recipes.errors import ClfError

LEAVE_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
)
POLL_SECONDS = 1.0
SAME_SECONDS = 1.0  # a shutdown signals worker and child, and the worker its child: within this it is one request
EARLY_SECONDS = 2.0  # for what prepares a run to notice by itself and tidy up


class Stop:
    """Whether to leave at the next step boundary. The first signal asks; the second calls `at_once` with the reason.

    Before the run has `begun` there is nothing to keep, and importing torch or fetching weights asks nobody: then it
    is called a little after the first wish.
    """

    def __init__(self, at_once: Callable[[str], None]) -> None:
        self.by_signal: str | None = None
        self.by_flag = False
        self.begun = False
        self.stale = threading.Event()  # the job belongs to another attempt
        self._at_once = at_once
        self._asked_at = 0.0

    def __call__(self) -> bool:
        return self.by_signal is not None or self.by_flag or self.stale.is_set()

    def listen(self) -> None:
        """Take over the signals that ask a process to leave."""
        for number in LEAVE_SIGNALS:
            signal.signal(number, self._signalled)

    def watch(self, database: Path, job_id: int, token: str) -> None:
        """Look at the job's flags once a second, in a thread that ends with the process."""
        arguments = (database, job_id, token)
        threading.Thread(target=self._watch, args=arguments, name="flags", daemon=True).start()

    def _signalled(self, number: int, _frame: FrameType | None) -> None:
        if self.by_signal is None:
            self._asked_at, self.by_signal = time.monotonic(), signal.Signals(number).name
            self._leave_early(self.by_signal)
        elif time.monotonic() - self._asked_at > SAME_SECONDS:
            self._at_once("left at once, on a second signal")

    def _watch(self, database: Path, job_id: int, token: str) -> None:
        pause = threading.Event()
        connection: sqlite3.Connection | None = None
        while not pause.wait(POLL_SECONDS):
            try:
                connection = connection or records.connect(database)
                self._look(connection, job_id, token)
            except (sqlite3.Error, ClfError, OSError):
                connection = None  # locked or moved for the moment: look again in a second

    def _look(self, connection: sqlite3.Connection, job_id: int, token: str) -> None:
        query = "SELECT token, cancel_requested OR pause_requested FROM job WHERE id = ?"
        row = connection.execute(query, (job_id,)).fetchone()
        if row is None or row[0] != token:
            self.stale.set()
        else:
            if row[1] and not self.by_flag:
                self._leave_early("request")
            self.by_flag = bool(row[1])

    def _leave_early(self, wish: str) -> None:
        """See to it that a run which never gets to a step, where it would ask, leaves all the same."""

        def leave() -> None:
            if not self.begun and self():
                self._at_once(f"left before the first step, on {wish}")

        if not self.begun:
            timer = threading.Timer(EARLY_SECONDS, leave)
            timer.daemon = True
            timer.start()


def kill_own_group() -> None:
    """End this process and the loader processes it started, at once."""
    if hasattr(os, "killpg") and os.getpgid(0) == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(137)
