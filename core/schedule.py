"""The learning rate over a stage: a function of the step alone, except for plateau, which listens to validation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from recipes.sections import Schedule, ScheduleName

if TYPE_CHECKING:  # the curve is also drawn where torch is not loaded
    from torch.optim import Optimizer

ONECYCLE_RISE = 0.3  # share of the steps that rise, and the first rate's divisor: torch's OneCycleLR defaults
ONECYCLE_DIVISOR = 25.0
PLATEAU_THRESHOLD = 1e-4  # relative, as torch's ReduceLROnPlateau


@dataclass(frozen=True)
class Span:
    """The optimiser steps of a stage: all of them, those of the warm-up, and those of one epoch."""

    steps: int
    warmup: int
    per_epoch: int

    @classmethod
    def of(cls, schedule: Schedule, epochs: int, per_epoch: int) -> Span:
        """The warm-up is rounded to whole steps and never takes the stage's last one."""
        steps = epochs * per_epoch
        return cls(steps, min(round(schedule.warmup_epochs * per_epoch), max(0, steps - 1)), per_epoch)


@dataclass
class Plateau:
    """Counts epochs without a better validation loss and how often the rate was dropped for it."""

    best: float = math.inf
    waited: int = 0
    drops: int = 0

    def observe(self, loss: float, patience: int) -> None:
        if loss < self.best * (1.0 - PLATEAU_THRESHOLD):
            self.best, self.waited = loss, 0
            return
        self.waited += 1
        if self.waited > patience:
            self.drops, self.waited = self.drops + 1, 0


def rate(schedule: Schedule, span: Span, step: int, peak: float, drops: int = 0) -> float:
    """The learning rate of a stage's `step` (from 0) whose peak is `peak`; `drops` is Plateau.drops.

    Linear warm-up from ``warmup_start_factor * peak``; the shape after it begins at `peak` when the warm-up ends,
    and cosine and onecycle reach `min_lr` at the stage's last step.
    """
    if step < span.warmup:
        start = schedule.warmup_start_factor
        return peak * (start + (1.0 - start) * step / span.warmup)
    done, left = step - span.warmup, span.steps - 1 - span.warmup
    floor = min(schedule.min_lr, peak)
    if schedule.name is ScheduleName.COSINE:
        return _cosine(peak, floor, done, left)
    if schedule.name is ScheduleName.ONECYCLE:
        return _onecycle(peak, floor, done, left) if span.warmup == 0 else _cosine(peak, floor, done, left)
    if schedule.name is ScheduleName.STEP:
        return peak * schedule.gamma ** int(done / (schedule.step_epochs * span.per_epoch))
    if schedule.name is ScheduleName.MULTISTEP:
        return peak * schedule.gamma ** sum(step >= share * span.steps for share in schedule.milestones)
    if schedule.name is ScheduleName.PLATEAU:
        return max(floor, peak * schedule.gamma**drops)
    return peak


def _cosine(start: float, end: float, done: float, left: float) -> float:
    """Half a cosine from `start` at 0 to `end` at `left` (Loshchilov and Hutter 2017, arXiv:1608.03983)."""
    share = min(1.0, done / left) if left > 0 else 0.0
    return end + (start - end) * 0.5 * (1.0 + math.cos(math.pi * share))


def _onecycle(peak: float, floor: float, done: int, left: int) -> float:
    """Up and down once (Smith and Topin 2018, arXiv:1708.07120), both ways along half a cosine."""
    top = ONECYCLE_RISE * (left + 1) - 1.0
    if done <= top:
        return _cosine(peak / ONECYCLE_DIVISOR, peak, done, top)
    return _cosine(peak, floor, done - top, left - top)


def set_rate(optimizer: Optimizer, schedule: Schedule, span: Span, step: int, peak: float, drops: int = 0) -> float:
    """Give every parameter group its rate of `step`, scaled by its ``lr_scale``; returns that of scale 1."""
    for group in optimizer.param_groups:
        group["lr"] = rate(schedule, span, step, peak * group.get("lr_scale", 1.0), drops)
    return rate(schedule, span, step, peak, drops)
