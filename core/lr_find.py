"""The learning-rate range test: one short run whose rate grows step by step (Smith 2017, arXiv:1506.01186)."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from core.data import check_images, ensure_data
from core.device import choose, make_repeatable, send
from core.events import Preparing, Warned
from core.heads import freeze_backbone, set_training
from core.loader import Batch, Loader
from core.losses import Criterion
from core.manifest import Manifest, build_manifest
from core.memory import report
from core.models import Network, build
from core.optim import build_optimizer
from core.precision import Numbers
from core.prepare import PROBE_BATCH, resolved
from core.published import fetch_weights
from core.run import batch_size, step_seed, wanted_micro_batch
from core.step import Learner, halve, is_out_of_memory, take_step
from core.weighting import class_weights, log_prior
from core.weights import start_from
from recipes.recipe import Recipe, StagePlan
from recipes.sections import Augment, Freeze, Precision

SMOOTHING = 0.9  # of the running loss; its start is corrected as Adam's moments are
SETTLED = 10  # steps after which the running loss is no longer that of a few batches
EXPLODED = 4.0  # times the best smoothed loss: the test ends


@dataclass(frozen=True)
class RangeTest:
    """Rates and the smoothed loss at each; `suggestion` is the rate of the steepest fall, None when nothing fell."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    suggestion: float | None


def find_rate(
    recipe: Recipe,
    *,
    datasets: Path,
    steps: int = 100,
    lowest: float = 1e-7,
    highest: float = 1.0,
    init_from: Path | None = None,
) -> Generator[Preparing | Warned, None, RangeTest]:
    """Run the test with the recipe's last stage and return its result; writes no file, changes no run.

    The network, what of it is frozen, the loss and its weights are those of that stage; `init_from` is another run's
    checkpoint, as in training; a warning names what of it did not fit. ``batch_size = "auto"`` counts as 32.

    The rate grows geometrically from `lowest` to `highest` over `steps` steps; the test ends early when the smoothed
    loss is four times its best. Raises JobError.
    """
    device = choose(recipe.run.device)
    make_repeatable(device, recipe.run.deterministic)
    yield from ensure_data(recipe.data, datasets)
    manifest = build_manifest(recipe.data, recipe.run.seed, datasets)
    yield from check_images(manifest, 2, datasets / ".checked")
    yield from fetch_weights(recipe.model)
    (plan,) = resolved(recipe.plan()[-1:], [PROBE_BATCH])
    torch.manual_seed(step_seed(recipe.run.seed, 0, "weights"))
    network = build(plan.model, len(manifest.classes), plan.data.image_size)
    for line in start_from(network.body, init_from, manifest.classes) if init_from else ():
        yield Warned("weights", line)
    learner = _learner(recipe, plan, manifest, device, network)
    size = batch_size(plan)
    loader = Loader(manifest, "train", plan, seed=recipe.run.seed, train=True, batch_size=size, workers=0)
    rates: list[float] = []
    losses: list[float] = []
    average, best = 0.0, math.inf
    try:
        for step, batch in enumerate(_endless(loader, steps)):
            rates.append(lowest * (highest / lowest) ** (step / max(1, steps - 1)))
            for group in learner.optimizer.param_groups:
                group["lr"] = rates[-1] * group.get("lr_scale", 1.0)
            row = yield from _step(learner, batch, plan.augment, step)
            images, loss, _ = row.tolist()
            average = SMOOTHING * average + (1 - SMOOTHING) * loss / images
            smoothed = average / (1 - SMOOTHING ** (step + 1))
            if not math.isfinite(smoothed) or smoothed > EXPLODED * best:
                rates.pop()
                break
            losses.append(smoothed)
            best = min(best, smoothed)
            yield Preparing("learning-rate range test", step + 1, steps)
    finally:
        loader.close()
    return RangeTest(tuple(rates), tuple(losses), steepest(rates, losses))


def _step(learner: Learner, batch: Batch, augment: Augment, step: int) -> Generator[Warned, None, Tensor]:
    """One step, with smaller micro-batches where the device has no room; raises OutOfMemoryError for want of any."""
    while True:
        try:
            images, labels = send(batch.images, learner.device), send(batch.labels, learner.device)
            return take_step(learner, images, labels, augment, step)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            message = halve(learner, len(batch.labels), report(learner.device))
        yield Warned("out_of_memory", message)


def steepest(rates: list[float], losses: list[float]) -> float | None:
    """The rate around which the loss falls fastest over the logarithm of the rate, before its lowest point.

    A fall is measured over a decade of rates, and the first steps are left out: the mean of a few batches falls by
    chance more steeply than a network that learns.
    """
    decades = math.log10(rates[-1] / rates[0]) if len(losses) >= 3 else 0.0
    half = max(1, round((len(losses) - 1) / decades / 2)) if decades else 1
    first = min(SETTLED, len(losses) // 4)
    lowest = min(range(first, len(losses)), key=losses.__getitem__, default=0)
    middle = range(first + half, min(lowest + 1, len(losses) - half))
    falls = [(losses[i + half] - losses[i - half], rates[i]) for i in middle]
    fall, found = min(falls, default=(0.0, 0.0))
    return found if fall < 0 else None


def _endless(loader: Loader, steps: int) -> Iterator[Batch]:
    """`steps` batches over as many epochs as that takes."""
    epoch = 0
    while steps > 0:
        epoch += 1
        for batch in loader.epoch(epoch):
            if steps == 0:
                return
            steps -= 1
            yield batch


def _learner(recipe: Recipe, plan: StagePlan, manifest: Manifest, device: torch.device, network: Network) -> Learner:
    network.to(device)
    frozen = plan.freeze is Freeze.BACKBONE
    freeze_backbone(network.body, frozen)
    set_training(network.body, frozen)
    weights, prior = (
        values if values is None else values.to(device)
        for values in (class_weights(plan.data, manifest), log_prior(plan.data, manifest))
    )
    precision = "fp32" if recipe.run.precision in (Precision.AUTO, Precision.FP16) else recipe.run.precision.value
    return Learner(
        network=network,
        average=None,
        optimizer=build_optimizer(plan.optim, network.body),
        criterion=Criterion(plan.loss, len(manifest.classes), weights, prior),
        numbers=Numbers(precision, recipe.run.channels_last is True),
        scaler=None,
        device=device,
        clip_grad_norm=0.0,  # clipping would hide where the loss explodes
        micro_batch=wanted_micro_batch(plan),
        seed=recipe.run.seed,
    )
