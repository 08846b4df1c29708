"""A prepared run: everything that lives as long as the run itself, and its position in the recipe."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from timm.utils import ModelEmaV3

from core.events import Outcome, Warned
from core.history import History
from core.manifest import Manifest
from core.memory import MemoryMeter
from core.models import Network, set_image_size
from core.precision import Numbers
from core.regularise import Regularisation
from recipes.recipe import Recipe, StagePlan

Stop = Callable[[], bool]  # asked at every step boundary: True asks to leave


@dataclass
class Position:
    """Where a run is: the epoch and stage being worked on and the steps done in it. Epochs count from 1, run-wide."""

    stage: int = 0
    epoch: int = 1
    epoch_step: int = 0
    step: int = 0  # optimiser steps done in the whole run
    stage_step: int = 0  # of those, in this stage


@dataclass
class Best:
    """The best validation values so far, and the epoch they were reached in."""

    accuracy: float = -1.0
    f1: float = -1.0
    loss: float = float("inf")
    epoch: int = 0


@dataclass
class Run:
    """One training run in memory. Built by `core.prepare.prepare`, moved on by `core.train.train`."""

    recipe: Recipe
    plans: tuple[StagePlan, ...]
    folder: Path
    manifest: Manifest
    device: torch.device
    network: Network
    average: ModelEmaV3 | None
    numbers: Numbers
    regularisation: Regularisation
    micro_batch: int | None = None  # set when the device had no room for the recipe's
    position: Position = field(default_factory=Position)
    best: Best = field(default_factory=Best)
    history: History = field(default_factory=History)
    running: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    spent: tuple[float, float] = (0.0, 0.0)  # images and seconds of the epoch being worked on, as its Meter says
    stage_state: dict[str, Any] | None = None  # optimiser and schedule of a stage that is taken up again
    elapsed: float = 0.0  # seconds of training before this attempt
    started: float = field(default_factory=time.monotonic)
    saved_at: float = field(default_factory=time.monotonic)
    draw_after: float = -math.inf  # when training_curves.png is to be refreshed next
    outcome: Outcome = Outcome.COMPLETED  # what it will be called when all is done
    returns: int = 0  # to the last good checkpoint, for a loss that was not finite
    careful_until: int = 0  # after such a return: every step up to this one is checked at once

    def __post_init__(self) -> None:
        self.memory = MemoryMeter(self.device)
        self.memory.restart()  # formats and batches that were tried before may have taken far more

    @property
    def careful(self) -> bool:
        return self.position.step < self.careful_until

    @property
    def epochs_done(self) -> int:
        return int(self.history[-1]["epoch"]) if self.history else 0

    @property
    def unfinished(self) -> bool:
        return self.position.stage < len(self.plans)

    @property
    def seconds(self) -> float:
        """Seconds of training in all attempts together."""
        return self.elapsed + time.monotonic() - self.started

    @property
    def plan(self) -> StagePlan:
        """The stage at the run's position, the last one where all are done."""
        return self.plans[min(self.position.stage, len(self.plans) - 1)]

    @property
    def classes(self) -> int:
        return len(self.manifest.classes)

    def set_image_size(self) -> None:
        """Tell the networks the image size of the stage at the run's position; a transformer's embedding follows."""
        side = self.plan.data.image_size
        for network in (self.network, self.average.module if self.average is not None else None):
            if network is not None:
                set_image_size(network, side)

    def first_epoch(self, stage: int) -> int:
        """The run-wide number of a stage's first epoch."""
        return 1 + sum(plan.epochs for plan in self.plans[:stage])

    def steps_per_epoch(self, plan: StagePlan) -> int:
        """Optimiser steps of one epoch of a stage; a last batch of a single image is left out."""
        return steps_of(self.manifest.counts()["train"], batch_size(plan))

    @property
    def total_steps(self) -> int:
        return sum(plan.epochs * self.steps_per_epoch(plan) for plan in self.plans)

    @property
    def at_last_step(self) -> bool:
        """Whether the last step of the last epoch is done."""
        position = self.position
        last = position.epoch == self.recipe.total_epochs
        return last and position.epoch_step == self.steps_per_epoch(self.plan)

    def next_epoch(self) -> None:
        """The epoch is done: on to the next one, in the next stage where this one's epochs are over."""
        position = self.position
        self._begin_epoch(position.epoch + 1)
        if position.epoch == self.first_epoch(position.stage + 1):
            position.stage, position.stage_step = position.stage + 1, 0

    def _begin_epoch(self, epoch: int) -> None:
        self.position.epoch, self.position.epoch_step = epoch, 0
        self.running, self.spent = [0.0, 0.0, 0.0], (0.0, 0.0)

    def extend(self) -> None:
        """A run that had ended has more epochs now: on with the first of them, in the stage that holds it.

        Its patience and its ``max_time`` begin anew.
        """
        position, done = self.position, self.epochs_done
        self.outcome, self.elapsed = Outcome.COMPLETED, 0.0
        first = [self.first_epoch(index) for index in range(len(self.plans))]
        position.stage = max(index for index, epoch in enumerate(first) if epoch <= done + 1)
        if self.plan.name != self.history[-1]["stage"]:
            self.stage_state = None  # its time was spent with the stage before
        elif self.stage_state is not None:
            self.stage_state["early"] = [0, self.stage_state["early"][1]]
        self._begin_epoch(done + 1)
        plan = self.plans[position.stage]
        position.stage_step = (position.epoch - first[position.stage]) * self.steps_per_epoch(plan)

    def leave_stage(self) -> None:
        """The stage no longer gets better: the next one begins at its own first epoch, or the run ends."""
        position = self.position
        position.stage, position.stage_step = position.stage + 1, 0
        self._begin_epoch(self.first_epoch(position.stage))
        if not self.unfinished:
            self.outcome = Outcome.EARLY_STOPPED

    def end_for_time(self) -> Warned:
        """``run.max_time`` is spent: no more epochs, only the test of the best weights. Returns what to say."""
        cut = f"the time of {self.recipe.run.max_time:g} s is spent in epoch {self.position.epoch} of "
        self.position.stage, self.outcome = len(self.plans), Outcome.OUT_OF_TIME
        return Warned(
            "time", f"{cut}{self.recipe.total_epochs}: the learning-rate schedule is cut there, not shortened"
        )


def batch_size(plan: StagePlan) -> int:
    """Images per optimiser step of a stage, once `auto` has been resolved."""
    assert isinstance(plan.run.batch_size, int)
    return plan.run.batch_size


def wanted_micro_batch(plan: StagePlan) -> int:
    """Images that pass at once in training as the recipe has it."""
    return -(-batch_size(plan) // plan.run.accumulation)


def micro_batch(run: Run, plan: StagePlan) -> int:
    """Images that pass at once in training: the recipe's, or fewer where the device had no room for them."""
    wanted = wanted_micro_batch(plan)
    return min(wanted, run.micro_batch or wanted)


def steps_of(images: int, batch: int) -> int:
    """Batches of an epoch over `images` training images."""
    whole, rest = divmod(images, batch)
    return whole + (rest >= 2)


def step_seed(seed: int, step: int, purpose: str = "step") -> int:
    """A seed for what is drawn on the device within one step (dropout, drop path): a function of (seed, step) alone,
    so that a resumed run draws what an uninterrupted one would have drawn."""
    return int.from_bytes(hashlib.blake2b(f"{purpose}/{seed}/{step}".encode(), digest_size=8).digest(), "big")


def cache_rhythm(setting: int | str, device: torch.device, *, on_mps: int) -> int:
    """Batches between emptying the device's cache; 0 is never. `auto` is `on_mps` there and never elsewhere."""
    if isinstance(setting, int):
        return setting
    return on_mps if device.type == "mps" else 0
