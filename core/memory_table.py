"""What fits on this device: real training and evaluation steps at growing batch sizes, for `auto` and `clf memory`."""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import psutil
import torch
import torch.nn.functional as F

from core.device import empty_cache, synchronize
from core.heads import set_training
from core.memory import MemoryMeter
from core.models import Network
from core.optim import build_optimizer
from core.precision import Numbers
from core.step import is_out_of_memory
from recipes.sections import Optim

HEADROOM = 0.9  # share of the device's memory that a batch may take: fragmentation and other programs need the rest
LARGEST = 1024  # images: beyond it larger batches are rarely faster
PATIENCE = 20.0  # seconds after which no larger batch is tried: on a slow device more is not faster
CPU_LARGEST = 64  # a CPU gains nothing from more, and its memory is everyone's


@dataclass(frozen=True)
class Row:
    """One line of the table. `memory` is the peak in bytes, None when it did not fit or cannot be told."""

    model: str
    image_size: int
    batch: int
    memory: int | None
    fits: bool


def measure(
    network: Network,
    optim: Optim,
    side: int,
    numbers: Numbers,
    device: torch.device,
    name: str,
    most: int | None = None,
) -> Iterator[Row]:
    """Rows for batches 1, 2, 4... until one does not fit; each is an update and an evaluation of synthetic images.

    `network` is on `device` and is left as it was.
    """
    batch, limit = 1, most or (CPU_LARGEST if device.type == "cpu" else LARGEST)
    began = time.monotonic()
    while batch <= limit and time.monotonic() - began < PATIENCE:
        row = _try(network, optim, side, numbers, device, name, batch)
        yield row
        if not row.fits:
            return
        batch *= 2


def largest(rows: Iterator[Row]) -> int:
    """The largest batch that fits, at least 1."""
    return max((row.batch for row in rows if row.fits), default=1)


def _try(
    network: Network, optim: Optim, side: int, numbers: Numbers, device: torch.device, name: str, batch: int
) -> Row:
    budget = _total(device) * HEADROOM
    before = _begin(device)
    try:
        _steps(network, optim, side, numbers, device, batch)
        synchronize(device)
        peak = max(0, _peak(device) - before)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        return Row(name, side, batch, None, False)
    finally:
        empty_cache(device)
    return Row(name, side, batch, peak, before + peak <= budget)


def _steps(network: Network, optim: Optim, side: int, numbers: Numbers, device: torch.device, batch: int) -> None:
    """Two updates (the second one with the optimiser's state in place) and one evaluation pass."""
    model = copy.deepcopy(network)
    set_training(model.body, frozen=False)
    # A single image has no spread for BatchNorm over features: statistics are not what is measured here.
    model.body.train(batch > 1)
    optimizer = build_optimizer(optim, model.body)
    images = torch.randint(0, 256, (batch, 3, side, side), dtype=torch.uint8, device=device)
    labels = torch.zeros(batch, dtype=torch.int64, device=device)
    for _ in range(2):
        with numbers.autocast(device):
            scores = model(model.normalize(images, numbers.channels_last))
        F.cross_entropy(scores.float(), labels).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    model.eval()
    with torch.no_grad(), numbers.autocast(device):
        model(model.normalize(images, numbers.channels_last))


def _begin(device: torch.device) -> int:
    """Bytes in use before a try; the peak counts from here."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    return MemoryMeter(device).read().allocated


def _peak(device: torch.device) -> int:
    """Bytes at the highest point: torch's on CUDA, the process's own since its start on the CPU."""
    reading = MemoryMeter(device).read()
    if device.type == "cpu" and sys.platform != "win32":
        import resource

        highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return int(highest * (1 if sys.platform == "darwin" else 1024))
    return reading.peak or reading.allocated


def _total(device: torch.device) -> int:
    """Bytes a run may take: what is free on the CPU now, all of an accelerator."""
    if device.type == "cpu":
        return int(psutil.virtual_memory().available) + MemoryMeter(device).read().allocated
    return MemoryMeter(device).read().total or 0
