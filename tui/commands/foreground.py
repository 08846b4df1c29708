"""`clf run`: work one job off in this process, or watch the worker that has the device; one live line."""

from __future__ import annotations

import shutil
import sqlite3
import sys
import time

import typer

from db import records
from db.records import JobRecord
from recipes.errors import QueueError
from recipes.home import Home
from tui import states, units


def work_off(home: Home, job_id: int, device: str) -> int:
    """Run job `job_id` to its end; exit code 0 succeeded, 1 failed or cancelled, 130 interrupted."""
    from jobs.worker import work

    line = LiveLine(home, job_id)
    try:
        work(home, device=device, drain=True, only=job_id, on_tick=lambda *_: line.draw())
    except QueueError as error:
        typer.echo(f"{error.message}; watching job #{job_id} from here (Ctrl-C only stops watching)", err=True)
        _follow(line)
    line.close()
    return _verdict(line.job())


def _follow(line: LiveLine) -> None:
    while line.job().finished_at is None:
        line.draw()
        time.sleep(0.2)


def _verdict(job: JobRecord) -> int:
    if job.state == "succeeded":
        return 0
    if job.state == "failed":
        typer.secho(f"error: job #{job.id} failed: {job.failure_message}", err=True, fg=typer.colors.RED)
        if job.failure_hint:
            typer.echo(f"hint: {job.failure_hint}", err=True)
        typer.echo(f"log: clf logs {job.id}", err=True)
        return 1
    if job.state == "cancelled":
        typer.echo(f"job #{job.id} was cancelled", err=True)
        return 1
    typer.echo(f"job #{job.id} is {job.state}; go on with 'clf worker'", err=True)
    return 130


class LiveLine:
    """One line on stderr that follows a job: redrawn in a terminal, one line an epoch in a pipe."""

    def __init__(self, home: Home, job_id: int) -> None:
        self._connection: sqlite3.Connection = records.connect(home.database)
        self._job_id = job_id
        self._terminal = sys.stderr.isatty()
        self._epoch = 0
        self._drawn = False

    def job(self) -> JobRecord:
        """The job as the database has it now."""
        return records.job(self._connection, self._job_id)

    def draw(self) -> None:
        """Write the line anew where it changed."""
        job = self.job()
        if self._terminal:
            width = shutil.get_terminal_size().columns - 1
            sys.stderr.write(f"\r\x1b[2K{progress(job)[:width]}")
            sys.stderr.flush()
            self._drawn = True
        elif job.epoch != self._epoch and job.state == "running":
            self._epoch = job.epoch
            typer.echo(progress(job), err=True)

    def close(self) -> None:
        """Clear the line: what follows says how the job ended."""
        if self._drawn:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()


def progress(job: JobRecord) -> str:
    """``#3 demo  epoch 2/8 (fine-tune)  [####....]  ETA 3 min  loss 0.412  best 91.2%  step 40/79  312 img/s  1.2 GB``.

    What matters most comes first: a narrow terminal cuts the rest.
    """
    if job.state != "running" or states.doing(job) or not job.steps:
        return f"#{job.id} {job.name}  {states.in_words(job)}"
    parts = [
        f"#{job.id} {job.name}",
        f"epoch {states.epoch(job)}" + (f" ({job.stage})" if job.stage not in (None, "train") else ""),
        _bar(job.step / job.steps),
        f"ETA {units.duration(states.remaining(job, time.time()))}" if job.eta_seconds is not None else "",
        f"loss {job.train_loss:.3f}" if job.train_loss is not None else "",
        f"best {units.percent(job.best_accuracy)}" if job.best_accuracy is not None else "",
        states.step(job),
        f"{job.images_per_second:.0f} img/s" if job.images_per_second else "",
        units.size(job.memory) if job.memory else "",
    ]
    return "  ".join(part for part in parts if part)


def _bar(share: float, width: int = 16) -> str:
    full = round(min(1.0, max(0.0, share)) * width)
    return "[" + "#" * full + "." * (width - full) + "]"
