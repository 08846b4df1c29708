"""What a form's recipe comes to: its stages, what it changes, its learning rate, and what such jobs cost before."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from statistics import median
from typing import Any

from db.records import JobRecord
from recipes.recipe import Recipe, StagePlan
from tui import states, units
from tui.charts.picture import Axes, Curve, Mark, Picture

POINTS = 60  # of the learning-rate curve, per stage


def learning_rate(recipe: Recipe) -> Picture:
    """The schedule as it will be, by the training loop's own formula (a plateau's drops cannot be foreseen)."""
    from core.schedule import Span, rate

    xs: list[float] = []
    ys: list[float] = []
    marks: list[Mark] = []
    first = 0
    for plan in recipe.plan():
        per_epoch = max(2, -(-POINTS // plan.epochs))
        span = Span.of(plan.schedule, plan.epochs, per_epoch)
        if first:
            marks.append(Mark(first, label=plan.name))
        if plan.schedule.warmup_epochs:
            marks.append(Mark(first + plan.schedule.warmup_epochs, label="warm-up ends"))
        for step in range(0, span.steps, max(1, span.steps // (4 * POINTS))):
            xs.append(first + step / per_epoch)
            ys.append(rate(plan.schedule, span, step, plan.optim.lr))
        first += plan.epochs
    peak = max(ys, default=0.0)
    return Picture("Learning rate", (Curve("peak", xs, ys, 3, value=peak),), Axes(least=(0.0,)), tuple(marks))


def outline(recipe: Recipe) -> list[str]:
    """The run in a few lines."""
    first = recipe.plan()[0]
    mixing = [name for name in ("mixup", "cutmix") if getattr(recipe.augment, f"{name}_alpha") > 0]
    lines = [
        f"{recipe.model.name}, {_weights(recipe)}, {recipe.data.image_size} px",
        f"{recipe.data.source}, batch {recipe.run.batch_size}, {recipe.optim.name} {recipe.optim.lr:g}, "
        f"{first.schedule.name.value}",
        f"augmentation {recipe.augment.level.value}{' with ' + ' and '.join(mixing) if mixing else ''}",
    ]
    if recipe.data.samples:
        lines.append(f"development mode: {recipe.data.samples} training images")
    return [*lines, *(_stage(plan) for plan in recipe.plan())]


def _stage(plan: StagePlan) -> str:
    many = "epoch" if plan.epochs == 1 else "epochs"
    return f"{plan.name}: {plan.epochs} {many}{', backbone frozen' if plan.freeze.value == 'backbone' else ''}"


def _weights(recipe: Recipe) -> str:
    if recipe.model.weights:
        return f"weights {states.data(recipe.model.weights)}"
    return "pretrained" if recipe.model.pretrained else "from scratch"


def cost(recipe: Recipe, jobs: Iterable[JobRecord], device: str | None = None) -> str:
    """What past jobs like this one took on `device` (None: wherever one ran last), for this recipe's epochs.

    Alike are jobs that succeeded with the same model, data, image size and share of the data; empty when there is none.
    """
    wanted = _size_of(recipe.model_dump_json())
    alike = [
        job
        for job in jobs
        if job.state == "succeeded" and job.elapsed_seconds and job.epoch and job.model == recipe.model.name
        if device is None or job.device == device
        if _place(job.data) == _place(recipe.data.source) and _size_of(job.recipe) == wanted
    ]
    if not alike:
        return ""
    device = device or max(alike, key=lambda job: job.finished_at or 0.0).device
    took = [job.elapsed_seconds / job.epoch for job in alike if job.device == device]
    many = f"{len(took)} earlier jobs" if len(took) > 1 else "an earlier job"
    return f"about {units.duration(median(took) * recipe.total_epochs)} on {device}, by {many}"


def _place(source: str) -> str:
    """A data set's name, or its folder's whole path."""
    return source if "/" not in source else str(Path(source).expanduser().absolute())


@lru_cache(4096)
def _size_of(recipe: str) -> tuple[Any, ...]:
    """What makes an epoch longer or shorter beside model and data: image size, samples, share of the training data."""
    try:
        data = json.loads(recipe).get("data", {})
    except (ValueError, AttributeError):
        return ()
    return data.get("image_size"), data.get("samples"), data.get("train_fraction", 1.0)


def flat(document: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """``{"optim": {"lr": 1}}`` as ``{"optim.lr": 1}``; lists of stages by their names."""
    found: dict[str, Any] = {}
    for key, value in document.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{key}.")
        elif key == "stages":
            for index, stage in enumerate(value or ()):
                found |= flat(dict(stage), f"{prefix}stages.{stage.get('name', index)}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """(key, before, after) of every setting that is not the same."""
    old, new = flat(before), flat(after)
    return [(key, old.get(key), new.get(key)) for key in dict.fromkeys([*old, *new]) if old.get(key) != new.get(key)]
