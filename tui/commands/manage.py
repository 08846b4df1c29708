"""Changing what is queued: cancel, pause, resume, retry, extend, and the order."""

from __future__ import annotations

from typing import Annotated

import typer

from db import records
from recipes.errors import UsageError
from tui import units
from tui.commands import chosen, context
from tui.commands.arguments import JobWord, JobWords, MaybeJobWords


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for command in (cancel, pause, resume, retry, extend, move):
        app.command()(command)
    app.command(context_settings={"ignore_unknown_options": True})(priority)  # -5 is a number, no option


def _say(job_id: int, done: str) -> None:
    typer.echo(f"#{job_id} {done}")


def _runs(job_id: int) -> bool:
    return records.job(context.reader(), job_id).state == "running"


def cancel(
    ids: JobWords,
    now: Annotated[bool, typer.Option("--now", help="Kill the training process without a checkpoint.")] = False,
) -> None:
    """Cancel jobs: a queued one at once, a running one after a last checkpoint."""
    numbers, queue = chosen.ids(ids), chosen.queue()

    def act(job_id: int) -> None:
        queue.cancel(job_id, now=now)
        asked = "is being killed" if now else "writes a checkpoint and ends ('--now' kills it)"
        _say(job_id, asked if _runs(job_id) else "cancelled")

    chosen.each(numbers, act)


def pause(ids: MaybeJobWords = None) -> None:
    """Pause jobs (a running one checkpoints and gives the device back), or without ID the whole queue."""
    if not ids:
        chosen.queue().pause()
        typer.echo("the queue is paused: running jobs go on, no new one starts ('clf resume')")
        return
    numbers, queue = chosen.ids(ids), chosen.queue()

    def act(job_id: int) -> None:
        queue.pause(job_id)
        _say(job_id, "writes a checkpoint and gives the device back" if _runs(job_id) else "paused")

    chosen.each(numbers, act)


def resume(ids: MaybeJobWords = None) -> None:
    """Let paused jobs go on, or without ID the whole queue."""
    if not ids:
        chosen.queue().resume()
        typer.echo("the queue goes on")
        return
    numbers, queue = chosen.ids(ids), chosen.queue()

    def act(job_id: int) -> None:
        queue.resume(job_id)
        _say(job_id, "goes on" if _runs(job_id) else "queued again")

    chosen.each(numbers, act)


def retry(
    ids: JobWords,
    from_scratch: Annotated[bool, typer.Option("--from-scratch", help="Forget the checkpoint.")] = False,
) -> None:
    """Queue failed or cancelled jobs again; they go on from their last checkpoint."""
    numbers, queue = chosen.ids(ids), chosen.queue()

    def act(job_id: int) -> None:
        queue.retry(job_id, from_scratch=from_scratch)
        _say(job_id, "queued again" + (" from scratch" if from_scratch else ""))

    chosen.each(numbers, act)


def extend(
    job_id: JobWord,
    epochs: Annotated[int, typer.Option("--epochs", "-e", min=1, help="Epochs in all, more than it had.")],
) -> None:
    """Go on with a job that succeeded: its last stage gets more epochs, from its last checkpoint."""
    from jobs.extend import extend as lengthen

    number = chosen.one(job_id)
    lengthen(chosen.queue(), number, epochs)
    _say(number, f"queued again, to {units.count(epochs, 'epoch')}")


def priority(job_id: JobWord, value: Annotated[int, typer.Argument(metavar="N", help="Larger runs first.")]) -> None:
    """Set a waiting job's priority."""
    number = chosen.one(job_id)
    chosen.queue().set_priority(number, value)
    _say(number, f"has priority {value}")


def move(
    job_id: JobWord,
    first: Annotated[bool, typer.Option("--first", help="To the front of its priority.")] = False,
    last: Annotated[bool, typer.Option("--last", help="To the end of its priority.")] = False,
    before: Annotated[str | None, typer.Option("--before", metavar="ID", help="In front of another job.")] = None,
) -> None:
    """Move a waiting job; in front of a job of another priority it takes that one's."""
    if sum((first, last, before is not None)) != 1:
        raise UsageError("say where to: exactly one of --first, --last and --before ID")
    number = chosen.one(job_id)
    ahead = None if before is None else chosen.one(before)
    chosen.queue().move(number, first=first, last=last, before=ahead)
    _say(number, f"stands before #{ahead}" if ahead else f"is the {'first' if first else 'last'} of its priority")
