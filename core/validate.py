"""A pass over a split that tells how far it is, and can be left at any batch; it changes nothing in the run."""

from __future__ import annotations

import math
import time
from collections.abc import Generator

from torch import Tensor

from core.device import empty_cache, send
from core.evaluate import Scorer
from core.events import Event, StepLogged, Warned
from core.loader import Loader
from core.losses import Criterion
from core.meter import Meter
from core.metrics import Tally
from core.run import Run, Stop, cache_rhythm
from core.stage import Stage

Seen = list[tuple[Tensor, Tensor]]  # per batch: probabilities (N, classes) on the CPU, indices (N,)


def validate(run: Run, stage: Stage, stop: Stop) -> Generator[Event, None, dict[str, float] | None]:
    """The validation metrics as "val/accuracy"... and, with averaged weights, "ema/accuracy"...

    None when asked to leave in the middle; it is then repeated when the run is taken up again.
    """
    began = time.monotonic()
    metrics: dict[str, float] = {}
    networks = {"val": run.network}
    if stage.learner.average is not None:
        networks["ema"] = stage.learner.average.module
    for split, network in networks.items():
        scorer = Scorer(network, run.numbers, run.device, stage.eval_batch)
        values = yield from score(run, scorer, stage.val_loader, stage.val_criterion, "validate", stop)
        stage.eval_batch = scorer.parts.part
        if values is None:
            return None
        metrics |= {f"{split}/{name}": value for name, value in values.items()}
    stage.val_seconds = time.monotonic() - began
    return metrics


def score(
    run: Run,
    scorer: Scorer,
    loader: Loader,
    criterion: Criterion,
    phase: str,
    stop: Stop,
    seen: Seen | None = None,
) -> Generator[Event, None, dict[str, float] | None]:
    """The metrics of the split behind `loader`, or None when asked to leave; `seen` collects every image's answer."""
    scorer.network.eval()
    tally, meter = Tally(run.classes, run.device), Meter()
    every = cache_rhythm(run.plan.memory.empty_cache_every_eval, run.device, on_mps=3)
    epoch = min(run.position.epoch, run.recipe.total_epochs)
    for number, batch in enumerate(meter.waiting(loader.epoch(epoch)), start=1):
        labels = send(batch.labels, run.device)
        scores = scorer(batch.images)
        tally.add(criterion.values(scores, labels).sum(), scores, labels)
        if seen is not None:
            seen.append((scores.softmax(dim=1).cpu(), batch.indices))
        for message in scorer.parts.halvings():
            yield Warned("out_of_memory", message)
        if every and number % every == 0:
            empty_cache(run.device)
        if stop():
            return None
        if meter.count(len(labels)):
            meter.read()
            yield _logged(run, phase, number, len(loader), tally, meter)
    return tally.read()


def _logged(run: Run, phase: str, done: int, batches: int, tally: Tally, meter: Meter) -> StepLogged:
    values = tally.read()
    return StepLogged(
        phase=phase,
        stage=run.plan.name,
        epoch=min(run.position.epoch, run.recipe.total_epochs),
        epoch_step=done,
        epoch_steps=batches,
        step=run.position.step,
        loss=values["loss"],
        accuracy=values["accuracy"],
        lr=math.nan,
        images_per_second=meter.images_per_second,
        loader_wait=meter.loader_wait,
        memory=run.memory.read(),
        eta_seconds=None,
    )
