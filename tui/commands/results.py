"""What a finished job leaves: a table, two charts, the files, and what to type next."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from db import records
from db.records import JobRecord
from jobs.ending import ENDING_FILE
from jobs.liveness import CHILD_LOCK
from tui import states, units
from tui.commands import context
from tui.commands.plot import DEFAULT, chart

CHART_HEIGHT = 14
BOOKKEEPING = (CHILD_LOCK, ENDING_FILE)  # the queue's own files in a run directory


def summary(job_id: int) -> None:
    """The result of job `job_id`, once it succeeded."""
    job = records.job(context.reader(), job_id)
    for metric in DEFAULT:
        typer.echo(chart([job], metric, None, CHART_HEIGHT))
    _table(job)
    _files(job)
    typer.echo("\nnext")
    for command, purpose in (
        ("tui", "the full-screen app"),
        ("status", "the queue"),
        (f"show {job.id}", "this job"),
        (f"predict {job.id} IMAGES", "what its model sees in images"),
        ("recipes", "what else to train"),
    ):
        typer.echo(f"  {program()} {command:<18}{purpose}")


def program() -> str:
    """`clf`, or the path to type where it is not on the search path."""
    import shutil

    found = shutil.which("clf")
    called = Path(sys.argv[0])
    if called.name != "clf" or (found and Path(found).resolve() == called.resolve()):
        return "clf"
    here = Path.cwd()
    return str(called.relative_to(here) if called.is_absolute() and called.is_relative_to(here) else called)


def _table(job: JobRecord) -> None:
    took = (job.finished_at or 0) - (job.started_at or 0)
    rows = [
        ("job", f"#{job.id} {job.name} ({states.state(job)})"),
        ("model", f"{job.model} on {states.data(job.data)}"),
        ("test accuracy", units.percent(job.test_accuracy)),
        ("test macro F1", units.percent(job.test_f1)),
        ("best validation accuracy", f"{units.percent(job.best_accuracy)} in epoch {job.best_epoch}"),
        ("epochs", states.epoch(job)),
        ("took", units.duration(took)),
        ("peak memory", units.size(job.memory_peak)),
    ]
    typer.echo("\nresult")
    for name, value in rows:
        typer.echo(f"  {name:<26}{value}")


def _files(job: JobRecord) -> None:
    if job.run_dir is None:
        return
    folder = Path(job.run_dir)
    typer.echo(f"\nwritten to {folder}")
    for path in sorted(folder.iterdir()):
        if not path.name.startswith(".") and path.name not in BOOKKEEPING:
            typer.echo(f"  {path.name}{'/' if path.is_dir() else ''}")
