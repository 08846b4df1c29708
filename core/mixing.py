"""mixup and cutmix on the device, one of the two drawn per batch; pure functions of (seed, step)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from recipes.sections import Augment

_STREAM = 0x6D6978  # "mix": keeps these draws apart from others of the same seed

Box = tuple[int, int, int, int]  # top, bottom, left, right


@dataclass(frozen=True)
class Mixed:
    """A mixed batch. Its loss is ``lam * L(labels_a) + (1 - lam) * L(labels_b)``.

    images (N, C, H, W) as given; labels_a, labels_b (N,) int64; lam in 0..1, 1 where nothing was mixed.
    """

    images: Tensor
    labels_a: Tensor
    labels_b: Tensor
    lam: float


@dataclass(frozen=True)
class Draw:
    """What happens to one batch: `box` is cutmix's rectangle, None is mixup (or nothing, when lam is 1)."""

    lam: float
    box: Box | None = None


def mix(images: Tensor, labels: Tensor, augment: Augment, *, seed: int, step: int) -> Mixed:
    """Mix float `images` (N, C, H, W) and `labels` (N,) with their neighbour in the batch, on their device.

    Image i is mixed with image i - 1 (the first with the last), which is a random pairing because a batch is in
    random order. mixup: Zhang et al. 2017, arXiv:1710.09412; cutmix: Yun et al. 2019, arXiv:1905.04899.
    """
    drawn = draw(augment, images.shape[-2], images.shape[-1], seed=seed, step=step)
    if drawn.lam == 1.0 or len(images) < 2:
        return Mixed(images, labels, labels, 1.0)
    if drawn.box is None:
        mixed = torch.lerp(images.roll(1, 0), images, drawn.lam)
    else:
        top, bottom, left, right = drawn.box
        mixed = images.clone(memory_format=torch.preserve_format)
        mixed[..., top:bottom, left:right] = images[..., top:bottom, left:right].roll(1, 0)
    return Mixed(mixed, labels, labels.roll(1, 0), drawn.lam)


def draw(augment: Augment, height: int, width: int, *, seed: int, step: int) -> Draw:
    """Which mixing, how much and where, for images of `height` x `width` at `step`.

    Always takes the same numbers from the stream, so that one setting does not move the draws of another.
    """
    stream = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, step, _STREAM])))
    mixes, takes_cutmix, row, column = stream.random(4)
    mixup, cutmix = augment.mixup_alpha > 0, augment.cutmix_alpha > 0
    if not (mixup or cutmix) or mixes >= augment.mix_probability:
        return Draw(1.0)
    if cutmix and (not mixup or takes_cutmix < augment.cutmix_share):
        return _cut(float(stream.beta(augment.cutmix_alpha, augment.cutmix_alpha)), height, width, row, column)
    return Draw(float(stream.beta(augment.mixup_alpha, augment.mixup_alpha)))


def _cut(lam: float, height: int, width: int, row: float, column: float) -> Draw:
    """A rectangle of area share 1 - lam around a drawn centre; lam is corrected for what the border cuts off."""
    half = math.sqrt(1.0 - lam) / 2
    top, bottom = _interval(row * height, half * height, height)
    left, right = _interval(column * width, half * width, width)
    area = (bottom - top) * (right - left)
    return Draw(1.0 - area / (height * width), (top, bottom, left, right))


def _interval(centre: float, half: float, length: int) -> tuple[int, int]:
    return max(0, round(centre - half)), min(length, round(centre + half))
