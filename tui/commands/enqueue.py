"""`clf enqueue` and `clf run`: from a recipe and flags to a queued (and, with run, a finished) job."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from db.names import checked_name
from recipes.errors import UsageError
from tui import states, units
from tui.commands import chosen, context, flags, results
from tui.commands.arguments import JobName, Json, NotBefore, RecipeName, RecipeNames
from tui.commands.times import moment
from tui.commands.wish import Wish, wish

if TYPE_CHECKING:
    from recipes.flags import Flags

Seeds = Annotated[str | None, typer.Option("--seeds", metavar="1,2,3", help="One job for each seed; 1-5 for a range.")]
Priority = Annotated[int, typer.Option("--priority", "-p", help="Larger runs first.")]
After = Annotated[list[str] | None, typer.Option("--after", metavar="ID[,ID]", help="Wait until these succeeded.")]
AfterAny = Annotated[
    list[str] | None, typer.Option("--after-any", metavar="ID[,ID]", help="Wait until these ended, however.")
]
Retries = Annotated[int, typer.Option("--retries", min=0, max=100, help="New tries after a crash or lack of memory.")]
Unique = Annotated[bool, typer.Option("--unique", help="Not if the same recipe, data and seed is already there.")]
Paused = Annotated[bool, typer.Option("--paused", help="Add it paused; 'clf resume ID' lets it go.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print exactly what would be queued, and queue nothing.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(enqueue)
    app.command()(run)


@dataclass(frozen=True)
class Terms:
    """When and how a job is to run; the same for all jobs of one command."""

    priority: int = 0
    after: tuple[int, ...] = ()
    after_any: tuple[int, ...] = ()
    not_before: float | None = None
    retries: int = 0
    unique: bool = False
    paused: bool = False

    def __str__(self) -> str:
        """``, after #3, not before 2026-12-01 08:00``: what differs from a plain job."""
        told = [
            f"after {states.numbers(self.after)}" if self.after else "",
            f"after the end of {states.numbers(self.after_any)}" if self.after_any else "",
            f"not before {units.minute(self.not_before)}" if self.not_before is not None else "",
            f"priority {self.priority}" if self.priority else "",
            f"with {self.retries} retries" if self.retries else "",
            "paused" if self.paused else "",
        ]
        return "".join(f", {each}" for each in told if each)


@flags.takes_flags()
def enqueue(
    names: RecipeNames,
    given: Flags,
    recipe_file: flags.RecipeFile = None,
    name: JobName = None,
    seeds: Seeds = None,
    priority: Priority = 0,
    after: After = None,
    after_any: AfterAny = None,
    not_before: NotBefore = None,
    retries: Retries = 0,
    unique: Unique = False,
    paused: Paused = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Add a job to the queue; several recipes or seeds add one job each.

    For example: clf enqueue two_stage --data photos/ --epochs 110
    """
    wishes = _named([wish(recipe, one, recipe_file) for recipe in names for one in _seeds(seeds, given)], name)
    begin = None if not_before is None else moment(not_before, "--not-before")
    parents, any_parents = tuple(chosen.some(after)), tuple(chosen.some(after_any))
    terms = Terms(priority, parents, any_parents, begin, retries, unique, paused)
    if dry_run:
        _print_wishes(wishes, terms, as_json)
    else:
        _queue(wishes, terms, as_json)


def _queue(wishes: list[Wish], terms: Terms, as_json: bool) -> None:
    """Queue each, say so at once, and leave what --unique refuses to the exit code."""
    from jobs.inbox import Inbox

    inbox, rows = Inbox(context.home), []
    if inbox.notice:
        typer.echo(inbox.notice, err=True)

    def act(each: Wish) -> None:
        job_id = inbox.enqueue(each.recipe, name=each.name, data_hash=each.data_hash, **vars(terms))
        rows.append({"id": job_id, "name": each.name, "recipe": each.recipe.model_dump(mode="json")})
        if not as_json:
            typer.echo(f"queued #{job_id}: {_line(each)}{terms}")

    try:
        chosen.each(wishes, act)
    finally:
        if as_json:
            _json(rows)
    _warn_without_worker()


def _warn_without_worker() -> None:
    from jobs.liveness import live_workers

    if not live_workers(context.home):
        typer.echo("no worker is running: start one with 'clf worker' (or 'clf worker --detach')", err=True)


@flags.takes_flags()
def run(recipe: RecipeName, given: Flags, recipe_file: flags.RecipeFile = None, name: JobName = None) -> None:
    """Add a job, work it off in the foreground, and show the result.

    Where a worker already has the device, the job waits its turn there and is watched from here.
    Ctrl-C writes a checkpoint and leaves; a second one leaves at once.
    """
    (asked,) = _named([wish(recipe, given, recipe_file)], name)
    from jobs.inbox import Inbox
    from tui.commands import foreground

    job_id = Inbox(context.home).enqueue(asked.recipe, name=asked.name, data_hash=asked.data_hash)
    typer.echo(f"job #{job_id}: {_line(asked)}")
    code = foreground.work_off(context.home, job_id, asked.recipe.run.device)
    if code == 0:
        results.summary(job_id)
    raise typer.Exit(code)


def _seeds(text: str | None, given: Flags) -> list[Flags]:
    """The flags once for each seed; as they are without --seeds."""
    if text is None:
        return [given]
    if given.values["seed"] is not None:
        raise UsageError("--seed and --seeds contradict each other", "give only one")
    from recipes.flags import seeds

    try:
        wanted = seeds(text)
    except ValueError as error:
        raise UsageError(f"--seeds {text}: {error}", "for example --seeds 1,2,3 or 0-4") from error
    return [replace(given, values={**given.values, "seed": seed}) for seed in wanted]


def _named(wishes: list[Wish], name: str | None) -> list[Wish]:
    """Each with its job's name; what several jobs of one command differ in is added, so that each can be told apart."""
    recipes = {each.recipe.name for each in wishes}
    several = len(wishes) > len(recipes)
    named = []
    for each in wishes:
        parts = [name or each.recipe.name]
        parts += [each.recipe.name] if name and len(recipes) > 1 else []
        parts += [f"s{each.recipe.run.seed}"] if several else []
        named.append(replace(each, name=checked_name("-".join(parts)) if name else "-".join(parts)))
    return named


def _line(asked: Wish) -> str:
    recipe = asked.recipe
    source = states.data(recipe.data.source)
    more = f" ({asked.summary})" if asked.summary != recipe.data.source else ""
    epochs = units.count(recipe.total_epochs, "epoch")
    return f"{asked.name}  {recipe.model.name} at {recipe.data.image_size} px, {epochs} on {source}{more}"


def _print_wishes(wishes: list[Wish], terms: Terms, as_json: bool) -> None:
    from recipes.merge import to_toml

    if as_json:
        _json([each.recipe.model_dump(mode="json") for each in wishes])
        return
    for each in wishes:
        stages = ", ".join(f"{plan.name} {plan.epochs}" for plan in each.recipe.plan())
        typer.echo(f"# would queue: {_line(each)}{terms}\n# epochs by stage: {stages}")
        typer.echo(to_toml(each.recipe.model_dump(mode="json")))


def _json(rows: list[Any]) -> None:
    import json

    typer.echo(json.dumps(rows, indent=2))
