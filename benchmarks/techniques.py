"""What each technique costs: the loop with it against the same loop without it, turn by turn in one process.

A turn is a short epoch of `core.epoch.train_epoch`: reading, augmentation, mixing, passes, update, readings. Plain and
changed loop take turns, and the medians of the ratios of neighbouring turns are what is shown, since a shared machine
is not equally fast all day. Images are read in the training process, so that their cost is in the figures; validation
is not (averaged weights are validated too, which doubles it).
"""

from __future__ import annotations

import math
import statistics
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from speed import Clock, Speed

import core.meter
from core.device import make_repeatable, synchronize
from core.epoch import train_epoch
from core.events import result_of
from core.prepare import prepare
from core.run import Run
from core.stage import Stage, open_stage
from recipes.errors import ConfigurationError
from recipes.merge import assignments, merge
from recipes.recipe import Recipe
from recipes.sections import Level

# The plain loop: every technique off that has a switch.
PLAIN = (
    "augment.level=none", "augment.mixup_alpha=0", "augment.cutmix_alpha=0", "loss.label_smoothing=0",
    "model.dropout=0", "model.drop_path=0", "optim.clip_grad_norm=0", "schedule.name=constant",
    "schedule.warmup_epochs=0", "data.workers=0", "run.checkpoint_every=0", "run.epochs=10000",
)  # fmt: skip
RESNET = ("model.name=resnet18", "model.pretrained=false", "model.weights=none")  # spatial dropout needs its blocks

TECHNIQUES: dict[str, tuple[str, ...]] = {
    **{f"level {level}": (f"augment.level={level}",) for level in Level if level is not Level.NONE},
    "RandAugment n = 2, m = 9, p = 0.3": ("augment.randaugment={n=2,m=9,p=0.3}",),
    "random erasing 0.25": ("augment.random_erasing=0.25",),
    "mixup 0.2": ("augment.mixup_alpha=0.2",),
    "cutmix 1.0": ("augment.cutmix_alpha=1.0",),
    "label smoothing 0.1": ("loss.label_smoothing=0.1",),
    "focal loss": ("loss.name=focal",),
    "binary cross-entropy": ("loss.name=bce",),
    "balance = weights": ("data.balance=weights",),
    "clipping 1.0": ("optim.clip_grad_norm=1.0",),
    "layer decay 0.8": ("optim.layer_decay=0.8",),
    "sgd instead of adamw": ("optim.name=sgd",),
    "EMA 0.999": ("run.ema_decay=0.999",),
    "accumulation 2": ("run.accumulation=2",),
    "MLP head": ("model.head=mlp", "model.dropout=0.5"),
    "dropout 0.2": ("model.dropout=0.2",),
    "drop_path 0.2": ("model.drop_path=0.2",),
    "gradient checkpointing": ("model.grad_checkpointing=true",),
    "deterministic": ("run.deterministic=true",),
    "bf16": ("run.precision=bf16",),
    "compile": ("run.compile=true",),
}
ALL_ON = ("augment.level=light", "augment.mixup_alpha=0.2", "augment.cutmix_alpha=1.0", "run.ema_decay=0.999")
ALL_OFF = ("augment.level=light",)
HEADLINE = "mixing, EMA, logging and memory samples"


class Loop:
    """A prepared run whose training can be taken up for one short epoch at a time."""

    def __init__(self, recipe: Recipe, folder: Path) -> None:
        self.run: Run = result_of(prepare(recipe, folder, datasets=folder, init_from=None))
        self.stage: Stage = result_of(open_stage(self.run, lambda: False))
        self.images = len(self.run.manifest.indices("train"))
        self.turn()  # kernels are chosen, processes started

    def turn(self, *, logs: bool = True) -> Speed:
        """One epoch; without `logs` no reading is taken and no event made."""
        make_repeatable(self.run.device, self.run.recipe.run.deterministic)
        interval, core.meter.INTERVAL = core.meter.INTERVAL, core.meter.INTERVAL if logs else math.inf
        clock = Clock()
        result_of(train_epoch(self.run, self.stage, lambda: False, core.meter.Meter()))
        synchronize(self.run.device)
        speed = clock.read(self.images)
        core.meter.INTERVAL = interval
        self.run.next_epoch()
        return speed

    def close(self) -> None:
        self.stage.close()


@dataclass(frozen=True)
class Cost:
    """A changed loop against the plain one: medians over the rounds."""

    name: str
    time: float  # of an image, as a multiple of the plain loop's
    spread: tuple[float, float]
    cpu: float  # CPU time of an image, as a multiple
    extra: float  # CPU seconds of an image more than the plain loop's

    @classmethod
    def of(cls, name: str, pairs: list[tuple[Speed, Speed]]) -> Cost:
        times = [plain.rate / changed.rate for plain, changed in pairs]
        cpus = [changed.cost / plain.cost for plain, changed in pairs]
        extras = [changed.cost - plain.cost for plain, changed in pairs]
        low_high = (min(times), max(times))
        return cls(name, statistics.median(times), low_high, statistics.median(cpus), statistics.median(extras))

    def __str__(self) -> str:
        time = f"{self.time:.2f} ({self.spread[0]:.2f} to {self.spread[1]:.2f})"
        return f"| {self.name} | {time} | {self.cpu:.2f} | {1000 * self.extra:+.1f} ms |"


def changed(recipe: Recipe, settings: tuple[str, ...]) -> Recipe:
    return Recipe.model_validate(merge(recipe.model_dump(), assignments(list(settings))))


def measure(recipe: Recipe, images: int, rounds: int, only: list[str]) -> Iterator[Cost]:
    """A row for each technique of `only`; `images` of a turn, a multiple of the batch."""
    base = changed(recipe, (*PLAIN, f"data.samples={images}"))
    with tempfile.TemporaryDirectory() as folder:
        plain = Loop(base, Path(folder) / "plain")
        for number, name in enumerate(only):
            yield from row(name, plain, base, TECHNIQUES[name], Path(folder) / str(number), rounds)
        plain.close()
        if len(only) >= len(TECHNIQUES) - 1:  # all of them
            resnet = changed(base, RESNET)
            plain = Loop(resnet, Path(folder) / "resnet")
            spatial = ("model.spatial_dropout=0.1",)
            yield from row("spatial dropout 0.1 (resnet18)", plain, resnet, spatial, Path(folder) / "spatial", rounds)
            plain.close()


def row(name: str, plain: Loop, base: Recipe, settings: tuple[str, ...], folder: Path, rounds: int) -> Iterator[Cost]:
    """The technique's row, or none where this model does not take it."""
    try:
        loop = Loop(changed(base, settings), folder)
    except ConfigurationError as error:
        print(f"{name}: {error.message}")
        return
    yield Cost.of(name, turns(plain.turn, loop.turn, rounds))
    loop.close()


def turns(plain: Callable[[], Speed], changed: Callable[[], Speed], rounds: int) -> list[tuple[Speed, Speed]]:
    """Pairs (plain, changed); which of the two goes first alternates, since the second finds a warmer machine."""
    pairs = []
    for number in range(rounds):
        first = plain() if number % 2 == 0 else None
        second = changed()
        pairs.append((first or plain(), second))
    return pairs


def headline(recipe: Recipe, images: int, rounds: int) -> Cost:
    """The loop with everything on that a normal run has on, against the same loop with it off; loader processes run."""
    base = changed(recipe, (*PLAIN, f"data.samples={images}", "data.workers=auto"))
    with tempfile.TemporaryDirectory() as folder:
        off = Loop(changed(base, ALL_OFF), Path(folder) / "off")
        on = Loop(changed(base, ALL_ON), Path(folder) / "on")
        pairs = turns(lambda: off.turn(logs=False), on.turn, rounds)
        off.close()
        on.close()
    return Cost.of(HEADLINE, pairs)


def report(recipe: Recipe, steps: int, rounds: int, only: tuple[str, ...]) -> None:
    """Print the headline and the table as Markdown, each line as soon as it is known."""
    chosen = [name for name in TECHNIQUES if (name.startswith(only) if only else name != "compile")]
    size = int(recipe.plan()[0].run.batch_size)
    whole = headline(recipe, 2 * steps * size, rounds)
    low, high = (1 / time for time in reversed(whole.spread))
    print(f"the loop with {HEADLINE} on runs at {1 / whole.time:.1%} of the same loop with them off", end=" ")
    print(f"({low:.1%} to {high:.1%}); by CPU time {1 / whole.cpu:.1%}\n", flush=True)
    print("| technique | time of an image, plain loop = 1 (range) | CPU time | CPU per image |\n|---|---|---|---|")
    for cost in measure(recipe, steps * size, rounds, chosen):
        print(cost, flush=True)
