"""Constructing a run: data, network, number formats, and the state of an earlier attempt where there is one."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import torch

from core.artifacts import write_recipe
from core.checkpoint import LAST, PREVIOUS, load_last, sweep
from core.content import FORMAT, versions
from core.data import check_images, ensure_data
from core.device import choose, describe, make_repeatable
from core.ema import build_average
from core.events import Event, Outcome, Preparing, RunStarted, Warned
from core.folders import SUCH_AS
from core.history import History
from core.loader import auto_workers
from core.manifest import Manifest, build_manifest
from core.memory_table import measure
from core.models import Network, build, parameter_count
from core.names import check_model_name
from core.pool import warm_up
from core.precision import Numbers, choose_numbers
from core.published import fetch_weights
from core.regularise import Regularisation, largest, strongest
from core.run import Best, Position, Run, step_seed, wanted_micro_batch
from core.weights import start_from
from recipes.errors import ConfigurationError
from recipes.recipe import Recipe, StagePlan

PROBE_BATCH = 32  # images per pass when formats are compared before the batch size is known


def prepare(
    recipe: Recipe, folder: Path, *, datasets: Path, init_from: Path | None, halve: bool = False
) -> Generator[Event, None, Run]:
    """Everything before the first step; a run whose folder holds a checkpoint is taken up where it was.

    Raises DataError or ConfigurationError before anything is trained.
    """
    device = choose(recipe.run.device)
    check_model_name(recipe.model.name)
    folder.mkdir(parents=True, exist_ok=True)
    sweep(folder)
    write_recipe(recipe, folder)
    yield from ensure_data(recipe.data, datasets)
    manifest = build_manifest(recipe.data, recipe.run.seed, datasets)
    if loader_workers(recipe, manifest, device):
        warm_up()
    yield from check_images(manifest, os.cpu_count() or 1, datasets / ".checked")
    make_repeatable(device, recipe.run.deterministic)
    saved = yield from _earlier_attempt(manifest, folder)
    plans = resolved(recipe.plan(), saved["batch_sizes"] if saved else None)
    position = Position(**saved["position"]) if saved else Position()
    plan = plans[min(position.stage, len(plans) - 1)]
    if saved is None:
        yield from _passed_over(manifest)
        yield from fetch_weights(recipe.model)
    torch.manual_seed(step_seed(recipe.run.seed, 0, "weights"))
    model = strongest(plans)
    network = build(model, len(manifest.classes), plan.data.image_size, fetch=saved is None)
    regularisation = Regularisation(network, model)
    regularisation.check(plans)
    if saved is None:
        start = init_from or _named_file(recipe)
        for line in start_from(network.body, start, manifest.classes) if start else ():
            yield Warned("weights", line)
    else:
        _restore(network, saved["weights"])
    network.to(device)
    numbers = yield from _numbers(recipe, plans, network, device, saved, datasets.parent / "measured.json")
    network.to(memory_format=torch.channels_last if numbers.channels_last else torch.contiguous_format)
    if any(plan.run.batch_size == "auto" for plan in plans):
        found = yield from _measured_batch(plans, len(manifest.classes), network, regularisation, numbers, device)
        plans = resolved(plans, [found * plan.run.accumulation for plan in plans])
    average = build_average(network, max(plan.run.ema_decay for plan in plans))
    run = Run(recipe, plans, folder, manifest, device, network, average, numbers, regularisation)
    if recipe.run.compile:
        network.body.compile()  # in place: names in checkpoints stay; each new shape is compiled at its first step
    if saved:
        take_up(run, saved)
    if halve:
        yield _halved(run)
    return run


def _halved(run: Run) -> Warned:
    """At most half of the recipe's micro-batch; said in every attempt that is trained so."""
    whole = max(wanted_micro_batch(plan) for plan in run.plans)
    run.micro_batch = min(run.micro_batch or whole, max(2, -(-whole // 2)))
    return Warned(
        "out_of_memory",
        f"the system killed an attempt for its memory: micro-batch {whole} -> {run.micro_batch}, accumulation doubled; "
        f"same images and learning rate, but BatchNorm statistics now see smaller batches",
    )


def take_up(run: Run, saved: dict[str, Any]) -> None:
    """Put `run` where a checkpoint left it: weights, averages, position, records."""
    run.position = Position(**saved["position"])
    run.set_image_size()
    _restore(run.network, saved["weights"])
    if run.average is not None and saved["average"] is not None:
        _restore(run.average.module, saved["average"])
    run.best = Best(**saved["best"])
    run.history = History(saved["history"])
    run.running = list(saved["running"])
    run.spent = tuple(saved.get("spent", (0.0, 0.0)))
    run.stage_state = saved["stage_state"]
    run.micro_batch = saved["micro_batch"]
    run.outcome = Outcome(saved["outcome"])
    run.elapsed = float(saved["seconds"])
    if not run.unfinished and Recipe.model_validate(saved["recipe"]).total_epochs < run.recipe.total_epochs:
        run.extend()
    elif not run.unfinished:
        run.stage_state = None


def _restore(network: Network, weights: dict[str, torch.Tensor]) -> None:
    try:
        network.body.load_state_dict(weights)
    except RuntimeError as error:
        raise ConfigurationError(
            f"the checkpoint in the run directory is of another model: {str(error).splitlines()[-1].strip()}",
            "a run goes on with the model it began with; queue it anew to change the model",
        ) from error


def _earlier_attempt(manifest: Manifest, folder: Path) -> Generator[Event, None, dict[str, Any] | None]:
    saved, trouble = load_last(folder)
    if trouble:
        yield Warned("damaged_checkpoint", trouble)
    if saved is None:
        return None
    if saved["format"] != FORMAT:
        raise ConfigurationError(f"{folder / LAST} was written by another version of clf", "queue the job anew")
    if saved["classes"] != list(manifest.classes):
        raise ConfigurationError(
            "the classes of the data have changed since this run began",
            f"restore the data, or remove {LAST} and {PREVIOUS} from {folder} to begin anew",
        )
    if saved["data_digest"] != manifest.digest:
        yield Warned("data", "the images have changed since this run began; it goes on with those that are there now")
    return saved


def _passed_over(manifest: Manifest) -> Generator[Event, None, None]:
    """Pictures of a telephone or a camera are easily taken for part of the data."""
    if manifest.passed_over:
        yield Warned("data", f"passed over, as no images that clf reads ({SUCH_AS}): {manifest.passed_over}")


def _named_file(recipe: Recipe) -> Path | None:
    name = recipe.model.init_from
    if name is None:
        return None
    path = Path(name).expanduser()
    if path.is_file():
        return path
    raise ConfigurationError(f"model.init_from: no file {path}", "give a job id or the path of a checkpoint")


def _numbers(
    recipe: Recipe,
    plans: tuple[StagePlan, ...],
    network: Network,
    device: torch.device,
    saved: dict[str, Any] | None,
    memory_file: Path,
) -> Generator[Preparing, None, Numbers]:
    """A resumed run computes as it began: another number format would not give the same weights."""
    if saved:
        return Numbers(**saved["numbers"])
    last = plans[-1]
    batch = last.run.batch_size
    micro = PROBE_BATCH if isinstance(batch, str) else -(-batch // last.run.accumulation)
    return (yield from choose_numbers(recipe.run, network, last.data.image_size, micro, device, memory_file))


def loader_workers(recipe: Recipe, manifest: Manifest, device: torch.device) -> int:
    """Loader processes for ``data.workers``."""
    if recipe.data.workers != "auto":
        return recipe.data.workers
    return auto_workers(len(manifest.paths), recipe.data.image_size, device.type)


def resolved(plans: tuple[StagePlan, ...], sizes: list[int] | None) -> tuple[StagePlan, ...]:
    """The plans with `sizes` in place of ``batch_size = "auto"``; as they are where there are none yet."""
    if sizes is None:
        return plans
    return tuple(
        plan.model_copy(update={"run": plan.run.model_copy(update={"batch_size": size})})
        if plan.run.batch_size == "auto"
        else plan
        for plan, size in zip(plans, sizes, strict=True)
    )


def _measured_batch(
    plans: tuple[StagePlan, ...],
    classes: int,
    network: Network,
    regularisation: Regularisation,
    numbers: Numbers,
    device: torch.device,
) -> Generator[Event, None, int]:
    """The largest micro-batch that fits with headroom, at the largest image size of the recipe."""
    plan = largest(plans)
    regularisation.apply(plan.model)
    averaged, best = any(each.run.ema_decay for each in plans), 1
    for row in measure(network, plan, classes, numbers, device, averaged=averaged):
        best = row.batch if row.fits else best
        yield Preparing("measuring the batch size", row.batch, max(best, row.batch))
    return max(2, best)


def run_started(run: Run) -> RunStarted:
    """The event that says what is about to be trained, on what, and where it is taken up."""
    return RunStarted(
        model=check_model_name(run.recipe.model.name),
        parameters=parameter_count(run.network),
        device=str(run.device),
        device_name=describe(run.device),
        precision=run.numbers.precision,
        channels_last=run.numbers.channels_last,
        classes=run.manifest.classes,
        images=run.manifest.counts(),
        stages=tuple((plan.name, plan.epochs) for plan in run.plans),
        epochs=run.recipe.total_epochs,
        steps=run.total_steps,
        resumed_epoch=run.epochs_done,
        resumed_step=run.position.step,
        versions=dict(versions()),
        data_digest=run.manifest.digest,
    )
