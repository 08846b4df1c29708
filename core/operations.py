"""RandAugment's operations in three groups, each with its strength at a given magnitude.

After Cubuk et al. 2019 (arXiv:1909.13719), whose magnitude is fixed and whose sign is drawn; the ranges are those of
torchvision's RandAugment where it has the operation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from core.levels import Step

Settings = dict[str, Any]


@dataclass(frozen=True)
class Operation:
    """`settings(x)` for a strength x: from 0 to `largest`, or from -`largest` to `largest` when `signed`."""

    name: str
    transform: str
    largest: float
    settings: Callable[[float], Settings]
    signed: bool = False

    def at(self, share: float) -> tuple[Step, ...]:
        """The operation at `share` (0..1) of its largest strength; two variants when the sign is drawn."""
        strengths = (self.largest * share, -self.largest * share) if self.signed else (self.largest * share,)
        return tuple(Step(self.transform, 1.0, self.settings(strength)) for strength in strengths)


def _jitter(name: str) -> Callable[[float], Settings]:
    still: Settings = {"brightness": (1, 1), "contrast": (1, 1), "saturation": (1, 1), "hue": (0, 0)}
    centre = 0 if name == "hue" else 1
    return lambda x: {**still, name: (centre + x, centre + x)}


def _translate(axis: str) -> Callable[[float], Settings]:
    other = "y" if axis == "x" else "x"
    return lambda x: {"translate_percent": {axis: (x, x), other: (0, 0)}}


def _shear(axis: str) -> Callable[[float], Settings]:
    other = "y" if axis == "x" else "x"
    return lambda x: {"shear": {axis: (x, x), other: (0, 0)}}


GROUPS: dict[str, tuple[Operation, ...]] = {
    "geometric": (
        Operation("rotate, degrees", "Affine", 30, lambda x: {"rotate": (x, x)}, signed=True),
        Operation("shear x, degrees", "Affine", 17, _shear("x"), signed=True),
        Operation("shear y, degrees", "Affine", 17, _shear("y"), signed=True),
        Operation("translate x, share of the width", "Affine", 0.3, _translate("x"), signed=True),
        Operation("translate y, share of the height", "Affine", 0.3, _translate("y"), signed=True),
        Operation("perspective, share of the side", "Perspective", 0.1, lambda x: {"scale": (x, x)}),
    ),
    "noise": (
        Operation("Gaussian noise, standard deviation of 1", "GaussNoise", 0.1, lambda x: {"std_range": (x, x)}),
        Operation(
            "speckle, factor 1 ± x",
            "MultiplicativeNoise",
            0.3,
            lambda x: {"multiplier": (1 - x, 1 + x), "elementwise": True, "per_channel": True},
        ),
        Operation(
            "Gaussian blur, sigma in pixels",
            "GaussianBlur",
            2.0,
            lambda x: {"blur_limit": 0, "sigma_limit": (max(x, 0.1),) * 2},
        ),
        Operation(
            "motion blur, kernel 3 + x pixels", "MotionBlur", 8, lambda x: {"blur_limit": (3, 3 + 2 * int(x / 2))}
        ),
        Operation(
            "JPEG compression, quality 95 - x",
            "ImageCompression",
            70,
            lambda x: {"quality_range": (95 - int(x), 95 - int(x))},
        ),
        Operation("fewer pixels, scale 1 - x", "Downscale", 0.6, lambda x: {"scale_range": (min(0.99, 1 - x),) * 2}),
    ),
    "colour": (
        Operation("brightness, factor 1 ± x", "ColorJitter", 0.9, _jitter("brightness"), signed=True),
        Operation("contrast, factor 1 ± x", "ColorJitter", 0.9, _jitter("contrast"), signed=True),
        Operation("saturation, factor 1 ± x", "ColorJitter", 0.9, _jitter("saturation"), signed=True),
        Operation("posterize, 8 - x bits", "Posterize", 4, lambda x: {"num_bits": (8 - round(x), 8 - round(x))}),
        Operation("solarize above 1 - x of white", "Solarize", 1.0, lambda x: {"threshold_range": (1 - x, 1 - x)}),
        Operation("auto-contrast", "AutoContrast", 0, lambda _: {}),
        Operation("equalize", "Equalize", 0, lambda _: {}),
        Operation("sharpen, share x", "Sharpen", 0.9, lambda x: {"alpha": (x, x)}),
    ),
}
