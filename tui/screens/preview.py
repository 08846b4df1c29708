"""What a form's recipe comes to: its stages, what it changes, its learning rate, and what such jobs cost before."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median
from typing import Any

from db.records import JobRecord
from recipes.recipe import Recipe
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
    lines += [
        f"{plan.name}: {plan.epochs} epochs{', backbone frozen' if plan.freeze.value == 'backbone' else ''}"
        for plan in recipe.plan()
    ]
    return lines


def _weights(recipe: Recipe) -> str:
    if recipe.model.weights:
        return f"weights {states.data(recipe.model.weights)}"
    return "pretrained" if recipe.model.pretrained else "from scratch"


def cost(recipe: Recipe, jobs: Iterable[JobRecord]) -> str:
    """What past jobs of this recipe and model took, for as many epochs as this one has; empty when there were none."""
    alike = [
        job.elapsed_seconds / job.epoch
        for job in jobs
        if job.state == "succeeded" and job.recipe_name == recipe.name and job.model == recipe.model.name
        if job.elapsed_seconds and job.epoch
    ]
    if not alike:
        return ""
    return f"about {units.duration(median(alike) * recipe.total_epochs)}, by {len(alike)} earlier jobs"


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
