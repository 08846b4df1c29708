"""Random changes to training images, through albumentations: the only file that knows that library.

What happens to a sample is a pure function of (seed, epoch, index, repeat), whichever process does it and whatever it
did before.
"""

from __future__ import annotations

import hashlib
import os
import random
import struct
from typing import Any

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # no question to a package index at import

import albumentations as A
import cv2
import numpy as np

from core.decode import Pixels
from core.fit import fit
from core.levels import ERASING, Step, steps
from core.operations import GROUPS, Operation
from recipes.sections import Augment, Level, RandAugment, Resize

_BORDERED = frozenset({"Rotate", "Affine", "Perspective"})
_SQUARE_MARGIN = 1.5  # letterboxed and squashed images: the random crop is taken from a square this much larger


class Augmenter:
    """A training image (H, W, 3) uint8 of any size becomes (size, size, 3) uint8."""

    def __init__(self, augment: Augment, size: int, resize: Resize, seed: int) -> None:
        self._size = size
        self._resize = resize
        self._seed = seed
        self._crops = augment.level is not Level.NONE
        self._compose = A.Compose([*(_build(step, size) for step in steps(augment)), *_extras(augment)])
        self._bits = np.random.PCG64(0)
        self._python = random.Random(0)
        # One pair of generators for all transforms; re-seeding them takes 6 us, Compose.set_random_seed 79 us.
        self._compose.set_random_state(np.random.Generator(self._bits), self._python)

    def __call__(self, image: Pixels, epoch: int, index: int, repeat: int = 0) -> Pixels:
        """`repeat` tells apart the draws of one image in one epoch (sampling with replacement)."""
        self._reseed(epoch, index, repeat)
        changed = self._compose(image=self._prepared(image))["image"]
        return np.ascontiguousarray(changed)

    def _prepared(self, image: Pixels) -> Pixels:
        if not self._crops:
            return fit(image, self._size, self._resize)
        if self._resize is Resize.CROP:
            return image
        return fit(image, round(self._size * _SQUARE_MARGIN), self._resize)

    def _reseed(self, epoch: int, index: int, repeat: int) -> None:
        key = hashlib.blake2b(struct.pack("<4q", self._seed, epoch, index, repeat), digest_size=48).digest()
        state, increment = int.from_bytes(key[:16], "little"), int.from_bytes(key[16:32], "little") | 1
        self._bits.state = {
            "bit_generator": "PCG64",
            "state": {"state": state, "inc": increment},
            "has_uint32": 0,
            "uinteger": 0,
        }
        self._python.seed(int.from_bytes(key[32:], "little"))


def _build(step: Step, size: int) -> Any:
    if step.among:
        return A.OneOf([_build(inner, size) for inner in step.among], p=step.p)
    settings = dict(step.settings)
    if step.transform == "RandomResizedCrop":
        settings |= {"size": (size, size), "area_for_downscale": "image"}
    if step.transform in _BORDERED:
        settings["border_mode"] = cv2.BORDER_REFLECT_101
    return getattr(A, step.transform)(p=step.p, **settings)


def _extras(augment: Augment) -> list[Any]:
    extras = []
    if augment.randaugment is not None:
        extras += _randaugment(augment.randaugment)
    if augment.random_erasing:
        extras.append(_build(Step(ERASING.transform, augment.random_erasing, ERASING.settings), 0))
    return extras


def _randaugment(settings: RandAugment) -> list[Any]:
    """One group after the other, each applied with probability p, n of its operations, in drawn order."""
    share = settings.m / 10
    return [
        A.RandomOrder([_operation(operation, share) for operation in group], n=settings.n, p=settings.p)
        for group in GROUPS.values()
    ]


def _operation(operation: Operation, share: float) -> Any:
    variants = [_build(step, 0) for step in operation.at(share)]
    return variants[0] if len(variants) == 1 else A.OneOf(variants, p=1.0)
