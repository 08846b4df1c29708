"""The end of an epoch: its record, what became best, and the checkpoints of the run."""

from __future__ import annotations

import gc
import time
from collections.abc import Generator, Iterator

import torch

from core.artifacts import write_history
from core.checkpoint import save, save_last
from core.content import run_content, weights_content
from core.curves import draw_curves
from core.events import CheckpointSaved, EpochEnded, Event, Warned
from core.meter import Meter
from core.metrics import better
from core.run import Run
from core.stage import Stage
from recipes.sections import Metric

DRAW_EVERY = 5.0  # seconds at least between two drawings of the curves
DRAW_SHARE = 0.02  # of the time at most goes into drawing: one takes half a second, on a busy machine several
BEST_FILES = {"accuracy": "best_accuracy.pt", "f1": "best_f1.pt", "loss": "best_loss.pt"}


class Diverged(Exception):  # noqa: N818 - not yet an error: the run goes back and tries again
    """A loss, gradient or weight was not finite; `files` are those of the batch, where it is known."""

    def __init__(self, files: tuple[str, ...] = ()) -> None:
        super().__init__("non-finite loss or gradient")
        self.files = files


class Torn(Exception):  # noqa: N818 - likewise
    """Memory ran out while the weights were being updated: some are of the step before, some of the one after."""


def all_finite(run: Run) -> bool:
    """Whether every weight and statistic is a number; the last guard before a checkpoint. Waits for the device."""
    values = [value for value in run.network.state_dict().values() if value.is_floating_point()]
    return bool(torch.stack([torch.isfinite(value).all() for value in values]).all())


def save_run(run: Run, stage: Stage | None) -> Iterator[Event]:
    """Write last_checkpoint.pt at the run's position; `stage` is the one being worked on, None between two.

    Raises Diverged when a weight is not finite, and DiskFullError with the file before intact.
    """
    if not all_finite(run):
        raise Diverged
    if run.position.step >= run.careful_until:
        run.returns = 0
    path = save_last(run_content(run, stage.state() if stage is not None else None), run.folder)
    run.saved_at = time.monotonic()
    epoch = run.position.epoch if run.position.epoch_step else run.epochs_done
    yield CheckpointSaved(path, "last", epoch, run.position.step)


def record_epoch(run: Run, stage: Stage, metrics: dict[str, float], meter: Meter) -> Iterator[Event]:
    """Put the epoch on record, refresh history.json and the curves, and save the weights that became best."""
    if not all_finite(run):
        raise Diverged
    images, loss, right = run.running
    full = {"train/loss": loss / max(images, 1.0), "train/accuracy": right / max(images, 1.0), **metrics}
    full["run/gap"] = full["train/accuracy"] - full["val/accuracy"]
    full["run/lr"] = stage.learner.optimizer.param_groups[-1]["lr"]
    full["run/images_per_second"], full["run/seconds"] = meter.mean_rate, meter.seconds
    if stage.learner.scaler is not None:
        full["run/skipped"] = float(stage.learner.skipped)
        stage.learner.skipped.zero_()
    position = run.position
    run.history.append({"epoch": position.epoch, "stage": stage.plan.name, "step": position.step, **full})
    reached = yield from _save_best(run, full)
    write_history(run)
    yield EpochEnded(stage.plan.name, position.epoch, position.step, full, reached)
    if time.monotonic() >= run.draw_after:
        yield from draw(run)


def _save_best(run: Run, metrics: dict[str, float]) -> Generator[Event, None, tuple[str, ...]]:
    """Save the weights, trained or averaged, whose validation is better than any before; by which metrics it is."""
    reached = []
    for name in ("accuracy", "f1", "loss"):
        sign = -1.0 if name == "loss" else 1.0
        split, value = better(metrics, name)
        if not value > sign * getattr(run.best, name):
            continue
        setattr(run.best, name, sign * value)
        if name == run.recipe.run.select.value:
            run.best.epoch = run.position.epoch
        if name == "loss" and run.recipe.run.select is not Metric.LOSS:
            continue
        path = run.folder / BEST_FILES[name]
        save(weights_content(run, f"best_{name}", metrics, averaged=split == "ema"), path)
        yield CheckpointSaved(path, f"best_{name}", run.position.epoch, run.position.step)
        if name != "loss":
            reached.append(name)
    return tuple(reached)


def draw(run: Run) -> Iterator[Event]:
    """Refresh training_curves.png; a picture that cannot be drawn never harms the run."""
    began = time.monotonic()
    stages = tuple((plan.name, run.first_epoch(index)) for index, plan in enumerate(run.plans))
    try:
        draw_curves(run.history, run.folder / "training_curves.png", run.recipe.name, stages)
    except Exception as error:
        yield Warned("plot", f"training_curves.png could not be drawn: {error}")
    gc.collect()  # a figure's objects refer to each other: 3 MB each time, until a full collection that seldom comes
    now = time.monotonic()
    run.draw_after = now + max(DRAW_EVERY, (now - began) / DRAW_SHARE)
