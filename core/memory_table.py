"""What fits on this device: real training and evaluation steps at growing batch sizes, for `auto` and `clf memory`."""

from __future__ import annotations

import copy
import ctypes
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil
import torch

from core.device import empty_cache, synchronize
from core.ema import build_average
from core.heads import set_training
from core.losses import Criterion
from core.memory import MemoryMeter
from core.models import Network, set_image_size
from core.optim import build_optimizer
from core.precision import Numbers
from core.step import Learner, is_out_of_memory, take_step
from recipes.recipe import StagePlan

HEADROOM = 0.9  # share of the device's memory that a batch may take: fragmentation and other programs need the rest
LARGEST = 1024  # images: beyond it larger batches are rarely faster
PATIENCE = 20.0  # seconds after which no larger batch is tried: on a slow device more is not faster
CPU_LARGEST = 64  # a CPU gains nothing from more, and its memory is everyone's


@dataclass(frozen=True)
class Row:
    """One line of the table. `memory` is the peak up to here in bytes, above what was in use before the first line.

    None when the batch did not fit. On the CPU it is the process's resident size: what the first steps load of the
    libraries counts too, and, where the system cannot begin the peak anew (macOS), what it took before.
    """

    model: str
    image_size: int
    batch: int
    memory: int | None
    fits: bool


def measure(
    network: Network,
    plan: StagePlan,
    classes: int,
    numbers: Numbers,
    device: torch.device,
    *,
    averaged: bool = False,
    most: int | None = None,
) -> Iterator[Row]:
    """Rows for batches 1, 2, 4... until one does not fit; each is updates and an evaluation of synthetic images.

    The steps are the stage's own: its loss, mixing, optimiser and, where `averaged`, averaged weights. `network` is on
    `device` and is left as it was.
    """
    batch, limit = 1, most or (CPU_LARGEST if device.type == "cpu" else LARGEST)
    make = partial(_learner, network, plan, classes, numbers, device, averaged)
    before, began = _begin(device), time.monotonic()
    while batch <= limit and time.monotonic() - began < PATIENCE:
        row = _try(make, plan, device, batch, before)
        yield row
        if not row.fits:
            return
        batch *= 2


def _try(make: Callable[[int], Learner], plan: StagePlan, device: torch.device, batch: int, before: int) -> Row:
    name, side = plan.model.name, plan.data.image_size
    budget = _total(device) * HEADROOM
    try:
        _steps(make(batch), plan, batch)
        synchronize(device)
        peak = max(0, _peak(device) - before)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        return Row(name, side, batch, None, False)
    finally:
        empty_cache(device)
    return Row(name, side, batch, peak, before + peak <= budget)


def _learner(
    network: Network,
    plan: StagePlan,
    classes: int,
    numbers: Numbers,
    device: torch.device,
    averaged: bool,
    batch: int,
) -> Learner:
    """What a stage trains with, around a copy of `network`."""
    model = copy.deepcopy(network)
    set_image_size(model, plan.data.image_size)
    return Learner(
        network=model,
        average=build_average(model, 0.5 if averaged else 0.0),
        optimizer=build_optimizer(plan.optim, model.body),
        criterion=Criterion(plan.loss, classes),
        numbers=numbers,
        scaler=numbers.scaler(device),
        device=device,
        clip_grad_norm=plan.optim.clip_grad_norm,
        micro_batch=batch,
        seed=0,
    )


def _steps(learner: Learner, plan: StagePlan, batch: int) -> None:
    """Two updates (the second one with the optimiser's state in place) and one evaluation pass."""
    model, device, side = learner.network, learner.device, plan.data.image_size
    set_training(model.body, frozen=False)
    # A single image has no spread for BatchNorm over features: statistics are not what is measured here.
    model.body.train(batch > 1)
    images = torch.randint(0, 256, (batch, 3, side, side), dtype=torch.uint8, device=device)
    labels = torch.zeros(batch, dtype=torch.int64, device=device)
    for step in range(2):
        take_step(learner, images, labels, plan.augment, step)
    learner.optimizer.zero_grad(set_to_none=True)
    model.eval()
    with torch.no_grad(), learner.numbers.autocast(device):
        model(model.normalize(images, learner.numbers.channels_last))


def _begin(device: torch.device) -> int:
    """Bytes in use before the first try; the peak counts from here."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    if device.type == "cpu":
        if sys.platform == "linux":
            with suppress(OSError, AttributeError):  # glibc keeps what was freed: the steps would take it unseen
                ctypes.CDLL(None).malloc_trim(0)
        with suppress(OSError):  # Linux alone, and not in every container: proc(5)
            Path("/proc/self/clear_refs").write_text("5")
        return _resident()
    return MemoryMeter(device).read().allocated


def _peak(device: torch.device) -> int:
    """Bytes at the highest point: torch's on CUDA, this process's own on the CPU."""
    if device.type == "cpu":
        return _highest()
    reading = MemoryMeter(device).read()
    return reading.peak or reading.allocated


def _highest() -> int:
    """The highest resident size in bytes; Linux's own count, as getrusage also counts the process that started this."""
    status = Path("/proc/self/status")
    found = re.search(r"^VmHWM:\s+(\d+) kB", status.read_text(), re.MULTILINE) if status.exists() else None
    if found:
        return int(found[1]) * 1024
    if sys.platform == "win32":
        return _resident()
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _resident() -> int:
    return int(psutil.Process().memory_info().rss)


def _total(device: torch.device) -> int:
    """Bytes a run may take: what is free on the CPU now, all of an accelerator."""
    if device.type == "cpu":
        return int(psutil.virtual_memory().available) + _resident()
    return MemoryMeter(device).read().total or 0
