"""The end of jobs: waiting for it, and removing what ended."""

from __future__ import annotations

import sqlite3
import time
from typing import Annotated

import typer

from db import records
from db.job_states import OPEN
from db.records import JobRecord
from recipes.errors import NotFoundError, QueueError, UsageError
from tui import states, units
from tui.commands import chosen, context
from tui.commands.arguments import JobWords, MaybeJobWords, Yes
from tui.commands.times import seconds

LOOK = 0.3  # seconds between looks


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for command in (wait, rm, clean):
        app.command()(command)


def wait(
    ids: MaybeJobWords = None,
    everything: Annotated[bool, typer.Option("--all", help="Until nothing is left that can run.")] = False,
) -> None:
    """Wait until jobs ended; exit code 0 when all succeeded, 1 when one failed, was cancelled, or is blocked."""
    if bool(ids) == everything:
        raise UsageError("say what to wait for: job ids, or --all")
    connection = context.reader()
    left = chosen.ids(ids) if ids else _open(connection)
    seen, told, bad = set(left), False, False
    while left:
        for job in [records.job(connection, job_id) for job_id in left]:
            if job.finished_at is not None or job.blocked_by:
                left.remove(job.id)
                bad = bad or job.state != "succeeded"
                typer.echo(f"#{job.id} {states.state(job)}")
        if everything:
            left += [job_id for job_id in _open(connection) if job_id not in seen]
            seen.update(left)
        told = told or _warn(connection, left)
        time.sleep(LOOK if left else 0)
    raise typer.Exit(1 if bad else 0)


def _open(connection: sqlite3.Connection) -> list[int]:
    return [job.id for job in records.jobs(connection, states=OPEN)]


def _warn(connection: sqlite3.Connection, left: list[int]) -> bool:
    """Say once on stderr why nothing may happen; whether there was something to say."""
    from jobs.liveness import live_workers

    if not left:
        return False
    jobs, devices = [records.job(connection, job_id) for job_id in left], [w.device for w in live_workers(context.home)]
    paused = tuple(job.id for job in jobs if job.state == "paused")
    alone = tuple(job.id for job in jobs if job.state == "queued" and not states.served(job, devices))
    if records.queue_paused(connection):
        typer.echo("the queue is paused: 'clf resume' lets it go on", err=True)
    elif not devices:
        typer.echo("no worker is running: start one with 'clf worker'", err=True)
    elif paused:
        typer.echo(f"{states.numbers(paused)} paused: 'clf resume ID' lets it go on", err=True)
    elif alone:
        wanted = records.job(connection, alone[0]).device_wanted
        missing = f"{states.numbers(alone)} queued for {wanted}, which has no worker"
        typer.echo(f"{missing}: start one with 'clf worker --device {wanted}'", err=True)
    else:
        return False
    return True


def rm(ids: JobWords, yes: Yes = False) -> None:
    """Remove finished jobs with their records and files."""
    connection = context.reader()
    jobs = [records.job(connection, number) for number in chosen.ids(ids)]
    ended = [job for job in jobs if job.finished_at is not None]
    if ended and not yes and not typer.confirm(f"remove {units.count(len(ended), 'job')} with all files?"):
        raise typer.Exit(1)
    queue = chosen.queue()

    def act(job: JobRecord) -> None:
        if job.finished_at is None:
            raise QueueError(f"#{job.id} is {job.state}", f"cancel it first: clf cancel {job.id}")
        try:
            queue.remove(job.id)
        except NotFoundError:
            return
        typer.echo(f"#{job.id} removed")

    chosen.each(jobs, act)


def clean(
    older_than: Annotated[str, typer.Option("--older-than", metavar="TIME", help="Ended longer ago.")] = "30d",
    keep_best: Annotated[bool, typer.Option("--keep-best", help="Keep records, best weights and reports.")] = False,
    yes: Yes = False,
) -> None:
    """Free the disk of old jobs; shows what would go first, and asks."""
    from jobs.clean import candidates
    from jobs.clean import clean as free

    age = seconds(older_than, "--older-than")
    context.reader()
    found = candidates(context.home, age, keep_best=keep_best)
    if not found:
        typer.echo(f"nothing to free: no job ended longer than {units.duration(age)} ago")
        return
    for each in found:
        name = f"#{each.job.id} {each.job.name}" if each.job else f"{each.run_dir} (of no job)"
        what = "everything" if each.whole else units.count(len(each.files), "file")
        typer.echo(f"{units.size(each.size):>9}  {name}  {what}")
    total = units.size(sum(each.size for each in found))
    if not yes and not typer.confirm(f"free {total}?"):
        raise typer.Exit(1)
    typer.echo(f"freed {units.size(free(chosen.queue(), found))}")
