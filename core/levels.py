"""The augmentation levels as data: every transform, its probability and its settings.

`core.augment` builds them with albumentations; docs/augmentation.md is written from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from recipes.sections import Augment, Level


@dataclass(frozen=True)
class Step:
    """One random change: the albumentations transform of that name, or one drawn evenly out of `among`."""

    transform: str
    p: float
    settings: Mapping[str, Any] = field(default_factory=dict)
    among: tuple[Step, ...] = ()


def _crop(smallest: float) -> Step:
    return Step("RandomResizedCrop", 1.0, {"scale": (smallest, 1.0), "ratio": (3 / 4, 4 / 3)})


def _jitter(amount: float, hue: float, p: float) -> Step:
    settings = dict.fromkeys(("brightness", "contrast", "saturation"), (1 - amount, 1 + amount))
    return Step("ColorJitter", p, {**settings, "hue": (-hue, hue)})


def _holes(most: int, largest: float, p: float) -> Step:
    sides = (0.1, largest)
    return Step(
        "CoarseDropout",
        p,
        {"num_holes_range": (1, most), "hole_height_range": sides, "hole_width_range": sides, "fill": "random_uniform"},
    )


def _affine(shift: float, zoom: float, shear: float, p: float) -> Step:
    settings = {"translate_percent": (-shift, shift), "scale": (1 - zoom, 1 + zoom), "shear": (-shear, shear)}
    return Step("Affine", p, settings)


def rotation(degrees: float) -> Step:
    """As often as level strong turns."""
    return Step("Rotate", 0.5, {"limit": (-degrees, degrees)})


_GAUSSIAN_BLUR = Step("GaussianBlur", 1.0, {"blur_limit": 0, "sigma_limit": (0.5, 1.5)})
_MOTION_BLUR = Step("MotionBlur", 1.0, {"blur_limit": (3, 7)})
_GAUSS_NOISE = Step("GaussNoise", 1.0, {"std_range": (0.02, 0.08)})
_SPECKLE = Step("MultiplicativeNoise", 1.0, {"multiplier": (0.8, 1.2), "elementwise": True, "per_channel": True})
_TONES = (
    Step("Posterize", 1.0, {"num_bits": (4, 6)}),
    Step("Solarize", 1.0, {"threshold_range": (0.5, 0.9)}),
    Step("Equalize", 1.0),
    Step("RandomGamma", 1.0, {"gamma_limit": (60, 160)}),
    Step("Sharpen", 1.0, {"alpha": (0.2, 0.5)}),
)

FLIP = Step("HorizontalFlip", 0.5)
VERTICAL_FLIP = Step("VerticalFlip", 0.5)
AFFINE = _affine(0.1, 0.1, 10, 0.3)
# Zhong et al. 2017, arXiv:1708.04896; its probability is the recipe's
ERASING = Step("Erasing", 0.0, {"scale": (0.02, 1 / 3), "ratio": (0.3, 3.3), "fill": "random"})

LEVELS: dict[Level, tuple[Step, ...]] = {
    Level.NONE: (),
    Level.LIGHT: (
        _crop(0.6),
        FLIP,
        _jitter(0.1, 0.0, 0.3),
    ),
    Level.MEDIUM: (
        _crop(0.35),
        FLIP,
        Step("Rotate", 0.3, {"limit": (-15, 15)}),
        _jitter(0.2, 0.05, 0.5),
        Step("Blur", 0.1, among=(_GAUSSIAN_BLUR,)),
        _holes(2, 0.25, 0.2),
    ),
    Level.STRONG: (
        _crop(0.2),
        FLIP,
        rotation(30),
        AFFINE,
        Step("Perspective", 0.2, {"scale": (0.03, 0.08)}),
        _jitter(0.3, 0.08, 0.7),
        Step("ToGray", 0.05),
        Step("Blur", 0.2, among=(_GAUSSIAN_BLUR, _MOTION_BLUR)),
        Step("Noise", 0.1, among=(_GAUSS_NOISE, _SPECKLE)),
        _holes(4, 0.3, 0.4),
    ),
    Level.ULTRA_STRONG: (
        _crop(0.08),
        FLIP,
        Step("Rotate", 0.6, {"limit": (-30, 30)}),
        _affine(0.15, 0.15, 15, 0.4),
        Step("Perspective", 0.3, {"scale": (0.05, 0.12)}),
        _jitter(0.4, 0.1, 0.8),
        Step("ToGray", 0.1),
        Step("Tones", 0.2, among=_TONES),
        Step("Blur", 0.3, among=(_GAUSSIAN_BLUR, _MOTION_BLUR)),
        Step("Noise", 0.2, among=(_GAUSS_NOISE, _SPECKLE)),
        _holes(6, 0.3, 0.5),
        Step("GridDropout", 0.2, {"ratio": 0.4, "fill": "random_uniform"}),
    ),
}


def steps(augment: Augment) -> tuple[Step, ...]:
    """The steps of the level, with the flips, the rotation and the affine change that `augment` wants."""
    chosen = [step for step in LEVELS[augment.level] if augment.horizontal_flip or step is not FLIP]
    if augment.rotation:
        chosen = [*(step for step in chosen if step.transform != "Rotate"), rotation(augment.rotation)]
    if augment.affine and not any(step.transform == "Affine" for step in chosen):
        chosen.append(AFFINE)
    if augment.vertical_flip:
        chosen.append(VERTICAL_FLIP)
    return tuple(chosen)


def is_random(augment: Augment) -> bool:
    """Whether a training image looks different from epoch to epoch (mixing apart)."""
    return bool(steps(augment) or augment.randaugment or augment.random_erasing)
