"""Averaged weights: an exponential moving average with its own evaluation (Polyak and Juditsky 1992)."""

from __future__ import annotations

import torch
from timm.utils import ModelEmaV3
from torch import nn


def build_average(network: nn.Module, decay: float) -> ModelEmaV3 | None:
    """timm's average over a copy of `network`, parameters and buffers alike; None for decay 0.

    The decay warms up with the step (``1 - (1 + step) ** (-2/3)``, at most `decay`), so that a short run does not
    end with an average of its first, random weights.
    """
    return ModelEmaV3(network, decay=decay, use_warmup=True) if decay > 0 else None


def update_average(average: ModelEmaV3, network: nn.Module, step: int) -> None:
    """Move the average towards `network`, after `step` steps of the run.

    On the CPU by one thread: these are hundreds of small sums, and where loader processes keep the other cores busy,
    waiting for a second thread in each of them takes twenty times as long as doing without it.
    """
    threads = torch.get_num_threads()
    on_cpu = next(network.parameters()).device.type == "cpu"
    if on_cpu:
        torch.set_num_threads(1)
    try:
        average.update(network, step=step)
    finally:
        if on_cpu:
            torch.set_num_threads(threads)
