"""Averaged weights: an exponential moving average with its own evaluation (Polyak and Juditsky 1992)."""

from __future__ import annotations

from timm.utils import ModelEmaV3
from torch import nn


def build_average(network: nn.Module, decay: float) -> ModelEmaV3 | None:
    """timm's average over a copy of `network`, parameters and buffers alike; None for decay 0.

    The decay warms up with the step (``1 - (1 + step) ** (-2/3)``, at most `decay`), so that a short run does not
    end with an average of its first, random weights.
    """
    return ModelEmaV3(network, decay=decay, use_warmup=True) if decay > 0 else None
