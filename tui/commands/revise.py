"""Another recipe for a job: editing one that waits, and queueing a changed copy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from db import records
from recipes.errors import RecipeError, UsageError
from tui.commands import chosen, context
from tui.commands.arguments import JobName, JobWord, NotBefore
from tui.commands.times import moment

if TYPE_CHECKING:
    from jobs.admission import Admitted

Sets = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a field of the recipe.")]
_WAIT = "Wait for these instead; 'none' for no job."
After = Annotated[list[str] | None, typer.Option("--after", metavar="ID[,ID]", help=_WAIT)]
AfterAny = Annotated[
    list[str] | None, typer.Option("--after-any", metavar="ID[,ID]", help="The same, however those end.")
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(edit)
    app.command()(duplicate)


def edit(
    job_id: JobWord,
    sets: Sets = None,
    name: JobName = None,
    after: After = None,
    after_any: AfterAny = None,
    not_before: NotBefore = None,
) -> None:
    """Change a job that waits: its recipe with --set or in $EDITOR, its name, and what it waits for."""
    number, queue = chosen.one(job_id), chosen.queue()
    parents, any_parents = _parents(after), _parents(after_any)
    begin = None if not_before is None else moment(not_before, "--not-before")
    changed = None
    if sets or not any((name, after, after_any, not_before)):
        changed = _revised(number, sets)
        if changed is None:
            typer.echo("nothing changed")
            return
    if changed is not None:
        queue.edit(number, changed.recipe, data_hash=changed.data_hash)
    if after is not None or after_any is not None:
        queue.depend(number, after=parents, after_any=any_parents)
    if begin is not None:
        queue.postpone(number, begin)
    if name is not None:
        queue.rename(number, name)
    typer.echo(f"#{number} changed")


def duplicate(job_id: JobWord, sets: Sets = None, name: JobName = None) -> None:
    """Queue a copy of a job, with changes."""
    number = chosen.one(job_id)
    job = records.job(context.reader(), number)
    asked = _changed(job.recipe, sets or [], f"copy of #{number}")
    copy = chosen.queue().duplicate(number, asked.recipe, name=name, data_hash=asked.data_hash)
    typer.echo(f"queued #{copy}: copy of #{number}")


def _parents(words: list[str] | None) -> list[int]:
    return [] if words == ["none"] else chosen.some(words)


def _revised(number: int, sets: list[str] | None) -> Admitted | None:
    """The job's recipe as it is to be; None where nothing differs."""
    job = records.job(context.reader(), number)
    changed = _changed(job.recipe, sets, f"#{number}") if sets else _edited(job.recipe, number)
    return None if changed is None or changed.recipe.model_dump_json() == job.recipe else changed


def _changed(recipe_json: str, sets: list[str], where: str) -> Admitted:
    import json

    from jobs.admission import admit
    from recipes.merge import assignments, merge
    from recipes.recipe import validate

    try:
        recipe = validate(merge(json.loads(recipe_json), assignments(sets)), where)
    except RecipeError as error:  # the frozen recipe is sound, so what was typed is at fault
        raise UsageError(error.message, error.hint) from error
    return admit(recipe, context.home)


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
