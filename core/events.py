"""What a training run tells the world: `core.train.train` yields these, whoever listens records or draws them."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

Result = TypeVar("Result")


class Outcome(StrEnum):
    """How a run that ended without an error ended."""

    COMPLETED = "completed"
    EARLY_STOPPED = "early_stopped"
    OUT_OF_TIME = "out_of_time"
    STOPPED = "stopped"  # asked to leave: a checkpoint is on disk, the run can go on later


@dataclass(frozen=True)
class MemoryReading:
    """Bytes in use by this run; what a device cannot tell is None.

    CUDA: allocated, reserved and peak of torch's allocator. MPS: current (allocated), driver (reserved) and the
    most of the driver's that was read (peak).
    CPU: resident memory of the process and its loader processes (allocated) and its peak so far.
    """

    allocated: int
    reserved: int | None = None
    peak: int | None = None
    total: int | None = None


@dataclass(frozen=True)
class Preparing:
    """Work before the first step that may take seconds: checking images, downloading, measuring."""

    what: str
    done: int
    total: int  # 0: not known

    def __str__(self) -> str:
        """``checking images 120/720``."""
        return f"{self.what} {self.done}/{self.total}" if self.total else self.what


@dataclass(frozen=True)
class RunStarted:
    """The prepared run, before its first step. Epochs and steps count over the whole run, from 0 done."""

    model: str
    parameters: int
    device: str  # "cpu", "cuda:0"
    device_name: str  # "NVIDIA H200"
    precision: str  # "fp32", "bf16", "fp16"
    channels_last: bool
    classes: tuple[str, ...]
    images: dict[str, int]  # split -> number of images
    stages: tuple[tuple[str, int], ...]  # (name, epochs)
    epochs: int
    steps: int  # optimiser steps of the whole run
    resumed_epoch: int  # epochs already done; 0 for a fresh run
    resumed_step: int  # optimiser steps already done
    versions: dict[str, str]  # package -> version
    data_digest: str = ""  # of the manifest it trains on


@dataclass(frozen=True)
class StageStarted:
    """A stage begins (or is taken up again)."""

    index: int  # from 0
    name: str
    epochs: int
    first_epoch: int  # run-wide, from 1
    steps_per_epoch: int
    image_size: int
    batch_size: int
    micro_batch: int
    frozen: bool
    warmup_steps: int


@dataclass(frozen=True)
class StepLogged:
    """Readings of the last few steps; at most about twice a second."""

    phase: str  # "train", "validate" or "test"
    stage: str
    epoch: int  # run-wide, from 1
    epoch_step: int  # steps (or validation batches) done in this epoch
    epoch_steps: int
    step: int  # optimiser steps done in the whole run
    loss: float  # mean over the steps since the last reading
    accuracy: float  # training accuracy so far in this epoch, 0..1
    lr: float
    images_per_second: float
    loader_wait: float  # share of the time spent waiting for the loader, 0..1
    memory: MemoryReading
    eta_seconds: float | None  # until the end of the run


@dataclass(frozen=True)
class EpochEnded:
    """One epoch with its validation. `metrics` maps "split/name" to a value, e.g. "val/accuracy".

    Names: loss, accuracy (0..1), top5 (0..1, where there are more than 5 classes), f1 (macro, 0..1) for the splits
    train, val and, with EMA on, ema; and run/lr, run/gap (train accuracy - val accuracy, 0..1),
    run/images_per_second, run/seconds, and in fp16 run/skipped (steps left out since their numbers overflowed).
    """

    stage: str
    epoch: int  # run-wide, from 1
    step: int
    metrics: dict[str, float]
    best: tuple[str, ...]  # of "accuracy", "f1": the metrics that reached a new best in this epoch


@dataclass(frozen=True)
class CheckpointSaved:
    """A file is complete on disk."""

    path: Path
    kind: str  # "last", "best_accuracy", "best_f1", "final"
    epoch: int
    step: int


@dataclass(frozen=True)
class Warned:
    """Something the person should know that does not end the run."""

    kind: str  # "out_of_memory", "non_finite", "weights", "data", "damaged_checkpoint", "plot", ...
    message: str


@dataclass(frozen=True)
class RunFinished:
    """The end. `metrics` holds the test split of the final model ("test/accuracy"...); empty when stopped."""

    outcome: Outcome
    epoch: int
    step: int
    metrics: dict[str, float] = field(default_factory=dict)
    files: tuple[Path, ...] = ()


Event = Preparing | RunStarted | StageStarted | StepLogged | EpochEnded | CheckpointSaved | Warned | RunFinished


def result_of(work: Generator[Any, None, Result]) -> Result:
    """What a generator of events returns at its end, its events unheard."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            result: Result = end.value
            return result
