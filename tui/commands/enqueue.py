"""`clf enqueue` and `clf run`: from a recipe and flags to a queued (and, with run, a finished) job."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from recipes.errors import UsageError
from tui.commands import context, flags, results
from tui.commands.arguments import Json, RecipeName, RecipeNames
from tui.commands.wish import Wish, wish

JobName = Annotated[str | None, typer.Option("--name", "-n", help="A name of your own for the job.")]
Seeds = Annotated[str | None, typer.Option("--seeds", metavar="1,2,3", help="One job for each seed.")]
Priority = Annotated[int, typer.Option("--priority", "-p", help="Larger runs first.")]
After = Annotated[str | None, typer.Option("--after", metavar="ID[,ID]", help="Wait until these succeeded.")]
AfterAny = Annotated[str | None, typer.Option("--after-any", metavar="ID[,ID]", help="Wait until these ended anyhow.")]
NotBefore = Annotated[
    str | None, typer.Option("--not-before", metavar="TIME", help="HH:MM, 'YYYY-MM-DD HH:MM', or +2h.")
]
Retries = Annotated[int, typer.Option("--retries", min=0, max=100, help="New tries after a crash or lack of memory.")]
Unique = Annotated[bool, typer.Option("--unique", help="Not if the same recipe, data and seed is already there.")]
Paused = Annotated[bool, typer.Option("--paused", help="Add it paused; 'clf resume ID' lets it go.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print exactly what would be queued, and queue nothing.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(enqueue)
    app.command()(run)


def enqueue(
    names: RecipeNames,
    data: flags.Data = None,
    model: flags.Model = None,
    weights: flags.Weights = None,
    epochs: flags.Epochs = None,
    batch_size: flags.BatchSize = None,
    image_size: flags.ImageSize = None,
    lr: flags.Lr = None,
    optimizer: flags.Optimizer = None,
    scheduler: flags.Scheduler = None,
    warmup_epochs: flags.WarmupEpochs = None,
    dropout: flags.Dropout = None,
    mixup: flags.Mixup = None,
    cutmix: flags.Cutmix = None,
    mixup_alpha: flags.MixupAlpha = None,
    cutmix_alpha: flags.CutmixAlpha = None,
    freeze_backbone: flags.FreezeBackbone = False,
    dev_mode: flags.DevMode = None,
    dev_samples: flags.DevSamples = None,
    precision: flags.PrecisionFlag = None,
    seed: flags.Seed = None,
    device: flags.Device = None,
    class_weights: flags.ClassWeights = None,
    init_from: flags.InitFrom = None,
    max_time: flags.MaxTime = None,
    sets: flags.Sets = None,
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
    """Add a job to the queue.

    For example: clf enqueue two_stage --data photos/ --epochs 110
    """
    given = flags.gather(locals())
    wishes = [wish(recipe, given, recipe_file, one) for recipe in names for one in _seeds(seeds, seed)]
    if dry_run:
        _print_wishes(wishes, as_json)
        return
    more: dict[str, Any] = {
        "name": name,
        "priority": priority,
        "after": _ids(after),
        "after_any": _ids(after_any),
        "not_before": _moment(not_before),
        "retries": retries,
        "unique": unique,
        "paused": paused,
    }
    from jobs.inbox import Inbox

    inbox = Inbox(context.home)
    queued = [(inbox.enqueue(each.recipe, data_hash=each.data_hash, **more), each) for each in wishes]
    _say_queued(queued, as_json)


def run(
    recipe: RecipeName,
    data: flags.Data = None,
    model: flags.Model = None,
    weights: flags.Weights = None,
    epochs: flags.Epochs = None,
    batch_size: flags.BatchSize = None,
    image_size: flags.ImageSize = None,
    lr: flags.Lr = None,
    optimizer: flags.Optimizer = None,
    scheduler: flags.Scheduler = None,
    warmup_epochs: flags.WarmupEpochs = None,
    dropout: flags.Dropout = None,
    mixup: flags.Mixup = None,
    cutmix: flags.Cutmix = None,
    mixup_alpha: flags.MixupAlpha = None,
    cutmix_alpha: flags.CutmixAlpha = None,
    freeze_backbone: flags.FreezeBackbone = False,
    dev_mode: flags.DevMode = None,
    dev_samples: flags.DevSamples = None,
    precision: flags.PrecisionFlag = None,
    seed: flags.Seed = None,
    device: flags.Device = None,
    class_weights: flags.ClassWeights = None,
    init_from: flags.InitFrom = None,
    max_time: flags.MaxTime = None,
    sets: flags.Sets = None,
    recipe_file: flags.RecipeFile = None,
    name: JobName = None,
) -> None:
    """Add a job, work it off in the foreground, and show the result.

    Where a worker already has the device, the job waits its turn there and is watched from here.
    Ctrl-C writes a checkpoint and leaves; a second one leaves at once.
    """
    asked = wish(recipe, flags.gather(locals()), recipe_file)
    from jobs.inbox import Inbox
    from tui.commands import foreground

    job_id = Inbox(context.home).enqueue(asked.recipe, name=name, data_hash=asked.data_hash, priority=0)
    typer.echo(f"job #{job_id}: {_line(asked)}")
    code = foreground.work_off(context.home, job_id, asked.recipe.run.device)
    if code == 0:
        results.summary(job_id)
    raise typer.Exit(code)


def _seeds(seeds: str | None, seed: int | None) -> list[int | None]:
    if seeds is None:
        return [None]
    if seed is not None:
        raise UsageError("--seed and --seeds contradict each other", "give only one")
    try:
        return [int(part) for part in seeds.split(",")]
    except ValueError as error:
        raise UsageError(f"--seeds {seeds}: expected whole numbers with commas", "for example --seeds 1,2,3") from error


def _ids(words: str | None) -> list[int]:
    if not words:
        return []
    from db import records

    return records.find(context.reader(), words.split(","))


def _moment(text: str | None) -> float | None:
    """A Unix time from ``22:30`` (the next one), ``2026-12-01 08:00`` or ``+2h``."""
    import time
    from datetime import datetime, timedelta

    if text is None:
        return None
    if text.startswith("+"):
        return time.time() + (flags.seconds(text[1:]) or 0)
    for form in ("%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%H:%M"):
        try:
            moment = datetime.strptime(text, form)
        except ValueError:
            continue
        if form != "%H:%M":
            return moment.timestamp()
        now = datetime.now()
        today = now.replace(hour=moment.hour, minute=moment.minute, second=0, microsecond=0)
        return (today if today > now else today + timedelta(days=1)).timestamp()
    raise UsageError(f"--not-before {text}: no time", "write 22:30, '2026-12-01 08:00' or +2h")


def _line(asked: Wish) -> str:
    from tui.states import data

    recipe = asked.recipe
    return (
        f"{recipe.name}  {recipe.model.name} at {recipe.data.image_size} px, {recipe.total_epochs} epochs"
        f" on {data(recipe.data.source)}" + (f" ({asked.summary})" if asked.summary != recipe.data.source else "")
    )


def _print_wishes(wishes: list[Wish], as_json: bool) -> None:
    from recipes.merge import to_toml

    if as_json:
        import json

        typer.echo(json.dumps([each.recipe.model_dump(mode="json") for each in wishes], indent=2))
        return
    for each in wishes:
        stages = ", ".join(f"{plan.name} {plan.epochs}" for plan in each.recipe.plan())
        typer.echo(f"# would queue: {_line(each)}\n# epochs by stage: {stages}")
        typer.echo(to_toml(each.recipe.model_dump(mode="json")))


def _say_queued(queued: list[tuple[int, Wish]], as_json: bool) -> None:
    if as_json:
        import json

        rows: list[dict[str, Any]] = [{"id": i, "recipe": w.recipe.model_dump(mode="json")} for i, w in queued]
        typer.echo(json.dumps(rows, indent=2))
        return
    for job_id, asked in queued:
        typer.echo(f"queued #{job_id}: {_line(asked)}")
    from jobs.liveness import live_workers

    if not live_workers(context.home):
        typer.echo("no worker is running: start one with 'clf worker' (or 'clf worker --detach')", err=True)
