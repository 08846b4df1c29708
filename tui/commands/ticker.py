"""What `clf worker` writes while it works: a line for each job that begins and ends, a live line in a terminal."""

from __future__ import annotations

import sys
import time

import typer

from recipes.home import Home
from tui import states, units
from tui.commands.foreground import LiveLine

QUIET = 1.0  # seconds without a job after which the worker says that it waits


class Ticker:
    """Given the id of the running job (or None) a few times a second."""

    def __init__(self, home: Home, *, drain: bool = False) -> None:
        self._home = home
        self._line: LiveLine | None = None
        self._job_id: int | None = None
        self._idle_since = 0.0
        self._greeted = drain  # a worker that leaves when nothing is left need not say that it waits
        self._drain = drain

    def tick(self, job_id: int | None) -> None:
        """Draw the running job; say what began and what ended."""
        if job_id != self._job_id:
            self.close()
            self._job_id = job_id
            if job_id is not None:
                self._line = LiveLine(self._home, job_id)
                job = self._line.job()
                typer.echo(f"#{job_id} {job.name}: attempt {job.attempt}, log in {job.run_dir}", err=True)
        if self._line is not None:
            self._line.draw()
        elif not self._greeted and time.monotonic() - self._idle_since > QUIET:
            self._greeted = True
            typer.echo("waiting for jobs; Ctrl-C leaves", err=True)

    def close(self) -> None:
        """Say how the last job ended."""
        if self._line is None:
            return
        self._line.close()
        job = self._line.job()
        result = f", test accuracy {units.percent(job.test_accuracy)}" if job.test_accuracy is not None else ""
        reason = f" ({job.failure_message})" if job.failure_message else ""
        state = "put back, goes on from its checkpoint" if job.state == "queued" else states.state(job)
        typer.echo(f"#{job.id} {job.name}: {state}{result}{reason}", err=True)
        sys.stderr.flush()
        self._line, self._idle_since, self._greeted = None, time.monotonic(), self._drain
