"""Changing what is queued: cancel, pause, resume, retry, order, edit, duplicate, wait, remove."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from db import records
from recipes.errors import NotFoundError, QueueError, UsageError
from tui import states, units
from tui.commands import context
from tui.commands.arguments import JobWord, JobWords, MaybeJobWords

if TYPE_CHECKING:
    from jobs.admission import Admitted
    from jobs.queue import Queue

Sets = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a field of the recipe.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for command in (cancel, pause, resume, retry, extend, priority, move, edit, duplicate, wait, rm, clean):
        app.command()(command)


def _ids(words: list[str]) -> list[int]:
    return records.find(context.reader(), words)


def _one(word: str) -> int:
    found = _ids([word])
    if len(found) != 1:
        raise UsageError(f"'{word}' means {len(found)} jobs", "give one id")
    return found[0]


def _queue() -> Queue:
    from jobs.queue import Queue

    return Queue(context.home)


def _say(job_id: int, done: str) -> None:
    typer.echo(f"#{job_id} {done}")


def cancel(
    ids: JobWords,
    now: Annotated[bool, typer.Option("--now", help="Kill the training process without a checkpoint.")] = False,
) -> None:
    """Cancel jobs: a queued one at once, a running one after a last checkpoint."""
    numbers, queue = _ids(ids), _queue()
    for job_id in numbers:
        queue.cancel(job_id, now=now)
        running = records.job(context.reader(), job_id).state == "running"
        _say(job_id, "is asked to stop" if running else "cancelled")


def pause(ids: MaybeJobWords = None) -> None:
    """Pause jobs (a running one checkpoints and gives the device back), or without ID the whole queue."""
    if not ids:
        _queue().pause()
        typer.echo("the queue is paused: running jobs go on, no new one starts ('clf resume')")
        return
    numbers, queue = _ids(ids), _queue()
    for job_id in numbers:
        queue.pause(job_id)
        running = records.job(context.reader(), job_id).state == "running"
        _say(job_id, "is asked to pause" if running else "paused")


def resume(ids: MaybeJobWords = None) -> None:
    """Let paused jobs go on, or without ID the whole queue."""
    if not ids:
        _queue().resume()
        typer.echo("the queue goes on")
        return
    numbers, queue = _ids(ids), _queue()
    for job_id in numbers:
        queue.resume(job_id)
        _say(job_id, "queued again")


def retry(
    ids: JobWords,
    from_scratch: Annotated[bool, typer.Option("--from-scratch", help="Forget the checkpoint.")] = False,
) -> None:
    """Queue failed or cancelled jobs again; they go on from their last checkpoint."""
    numbers, queue = _ids(ids), _queue()
    for job_id in numbers:
        queue.retry(job_id, from_scratch=from_scratch)
        _say(job_id, "queued again" + (" from scratch" if from_scratch else ""))


def extend(
    job_id: JobWord,
    epochs: Annotated[int, typer.Option("--epochs", "-e", min=1, help="Epochs in all, more than it had.")],
) -> None:
    """Go on with a job that succeeded: its last stage gets more epochs, from its last checkpoint."""
    from jobs.extend import extend as lengthen

    number = _one(job_id)
    lengthen(_queue(), number, epochs)
    _say(number, f"queued again, to {epochs} epochs")


def priority(job_id: JobWord, value: Annotated[int, typer.Argument(metavar="N", help="Larger runs first.")]) -> None:
    """Set a queued job's priority."""
    number = _one(job_id)
    _queue().set_priority(number, value)
    _say(number, f"has priority {value}")


def move(
    job_id: JobWord,
    first: Annotated[bool, typer.Option("--first", help="To the front of its priority.")] = False,
    last: Annotated[bool, typer.Option("--last", help="To the end of its priority.")] = False,
    before: Annotated[str | None, typer.Option("--before", metavar="ID", help="In front of another job.")] = None,
) -> None:
    """Move a queued job."""
    if sum((first, last, before is not None)) != 1:
        raise UsageError("say where to: exactly one of --first, --last and --before ID")
    number = _one(job_id)
    _queue().move(number, first=first, last=last, before=_one(before) if before else None)
    _say(number, "moved")


def _changed(recipe_json: str, sets: list[str], where: str) -> Admitted:
    import json

    from jobs.admission import admit
    from recipes.merge import assignments, merge
    from recipes.recipe import validate

    return admit(validate(merge(json.loads(recipe_json), assignments(sets)), where), context.home)


def edit(job_id: JobWord, sets: Sets = None) -> None:
    """Change a queued job's recipe: with --set, or in $EDITOR."""
    number = _one(job_id)
    job = records.job(context.reader(), number)
    changed = _changed(job.recipe, sets, f"#{number}") if sets else _edited(job.recipe, number)
    if changed is None:
        typer.echo("nothing changed")
        return
    _queue().edit(number, changed.recipe, data_hash=changed.data_hash)
    _say(number, "changed")


def _edited(recipe_json: str, number: int) -> Admitted | None:
    import json
    import tomllib

    from jobs.admission import admit
    from recipes.merge import to_toml
    from recipes.recipe import validate
    from tui.commands.editor import edit_text

    text = edit_text(to_toml(json.loads(recipe_json)), suffix=".toml")
    if text is None:
        return None
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"what you wrote is not valid TOML: {error}", "the job was not changed") from error
    return admit(validate(document, f"#{number}"), context.home)


def duplicate(
    job_id: JobWord,
    sets: Sets = None,
    name: Annotated[str | None, typer.Option("--name", "-n", help="A name of your own for the new job.")] = None,
) -> None:
    """Queue a copy of a job, with changes."""
    number = _one(job_id)
    recipe = _changed(records.job(context.reader(), number).recipe, sets or [], f"copy of #{number}").recipe
    copy = _queue().duplicate(number, recipe, name=name)
    typer.echo(f"queued #{copy}: copy of #{number}")


def wait(
    ids: MaybeJobWords = None,
    everything: Annotated[bool, typer.Option("--all", help="Until the queue is empty.")] = False,
) -> None:
    """Wait until jobs ended; exit code 0 when all succeeded, else 1."""
    if bool(ids) == everything:
        raise UsageError("say what to wait for: job ids, or --all")
    connection = context.reader()
    open_states = ("queued", "running", "paused")
    wanted = _ids(ids) if ids else [job.id for job in records.jobs(connection, states=open_states)]
    left = list(wanted)
    while left:
        for job_id in list(left):
            job = records.job(connection, job_id)
            if job.finished_at is not None:
                left.remove(job_id)
                typer.echo(f"#{job_id} {states.state(job)}")
        time.sleep(0.3 if left else 0)
    failed = [job_id for job_id in wanted if records.job(connection, job_id).state != "succeeded"]
    raise typer.Exit(1 if failed else 0)


def rm(
    ids: JobWords,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove finished jobs with their records and files."""
    numbers = _ids(ids)
    for number in numbers:
        job = records.job(context.reader(), number)
        if job.finished_at is None:
            raise QueueError(f"#{number} is {job.state}", f"cancel it first: clf cancel {number}")
    if not yes and not typer.confirm(f"remove {len(numbers)} job(s) with all their files?"):
        raise typer.Exit(1)
    queue = _queue()
    for number in numbers:
        try:
            queue.remove(number)
        except NotFoundError:
            continue
        _say(number, "removed")


def clean(
    older_than: Annotated[str, typer.Option("--older-than", metavar="TIME", help="Ended longer ago, e.g. 30d.")],
    keep_best: Annotated[bool, typer.Option("--keep-best", help="Keep records, best weights and reports.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Free the disk of old jobs; shows what would go first."""
    from jobs.clean import candidates
    from jobs.clean import clean as free
    from tui.commands.flags import seconds

    age = seconds(older_than) or 0.0
    context.reader()
    found = candidates(context.home, age, keep_best=keep_best)
    if not found:
        typer.echo("nothing to free")
        return
    for each in found:
        name = f"#{each.job.id} {each.job.name}" if each.job else f"{each.run_dir} (of no job)"
        what = "everything" if each.whole else f"{len(each.files)} files"
        typer.echo(f"{units.size(each.size):>9}  {name}  {what}")
    total = units.size(sum(each.size for each in found))
    if not yes and not typer.confirm(f"free {total}?"):
        raise typer.Exit(1)
    typer.echo(f"freed {units.size(free(_queue(), found))}")
