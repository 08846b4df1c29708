"""Names without torch: models' short names and input sizes, and the closest name for a model or optimiser that is not.

What there is comes from `core.catalogue`, so that a job with a misspelt name is refused before it is queued.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from core.catalogue import entries, matches, optimizers
from recipes.errors import ConfigurationError, closest


@dataclass(frozen=True)
class ShortName:
    """A vetted model: timm's name with published weights, and the sides in pixels it is usually trained at."""

    timm: str
    sizes: tuple[int, ...]


SHORT_NAMES: dict[str, ShortName] = {
    "efficientnet_b0": ShortName("efficientnet_b0", (224,)),
    "efficientnet_b3": ShortName("efficientnet_b3", (300,)),
    "efficientnet_b4": ShortName("efficientnet_b4", (380,)),
    "efficientnetv2_l": ShortName("tf_efficientnetv2_l", (480, 600)),  # timm's own efficientnetv2_l has no weights
    "resnet18": ShortName("resnet18", (224,)),
    "resnet50": ShortName("resnet50", (224,)),
    "mobilenetv2": ShortName("mobilenetv2_100", (224,)),
    "convnext_tiny": ShortName("convnext_tiny", (224,)),
    "convnext_base": ShortName("convnext_base", (224,)),
    "convnext_large": ShortName("convnext_large", (224,)),
    "swin_base": ShortName("swin_base_patch4_window7_224", (224,)),
}


@dataclass(frozen=True)
class Listed:
    """A name that can be trained: what timm builds for it, its size, and the sides in pixels it is meant for."""

    name: str
    timm: str
    millions: float  # parameters with timm's own classifier, in millions
    sizes: tuple[int, ...]  # the vetted ones of a short name, else the one timm names
    pretrained: bool  # timm has published weights for it


def listing(pattern: str = "*", pretrained: bool = False) -> list[Listed]:
    """The architectures and short names that match a pattern, as `catalogue.entries` takes it, by name.

    A short name stands in place of the architecture of that name: it is what would be built.
    """
    every = {entry.name: entry for entry in entries()}
    vetted = {name: ShortName(name, (entry.input_size,)) for name, entry in every.items()} | SHORT_NAMES
    found = []
    for name in sorted(vetted, key=_natural):
        entry = every[vetted[name].timm]
        if matches(name, pattern) and (entry.pretrained or not pretrained):
            found.append(Listed(name, entry.name, entry.millions, vetted[name].sizes, entry.pretrained))
    return found


def _natural(name: str) -> list[tuple[int, str]]:
    """As timm sorts: resnet18 before resnet101."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name.lower())]


@cache
def architectures() -> frozenset[str]:
    """Every architecture timm knows, without importing timm."""
    return frozenset(entry.name for entry in entries())


def check_model_name(name: str) -> str:
    """timm's name for `name`: a short name, ``resnet50``, ``resnet50.a1_in1k``, or that as timm's page on the hub has
    it, ``timm/resnet50.a1_in1k``.

    Raises ConfigurationError with the closest name when timm has no such architecture.
    """
    asked = re.sub(r"^(hf[-_]hub:)?timm/", "", name.strip())
    short = asked.replace("-", "_")
    if short in SHORT_NAMES:
        return SHORT_NAMES[short].timm
    if asked.partition(".")[0] in architectures():
        return asked
    if "/" in asked:
        raise ConfigurationError(
            f"no model named '{name}'", "of other repositories give timm's architecture, and their file with --weights"
        )
    known = [*SHORT_NAMES, *sorted(architectures())]
    raise ConfigurationError(
        f"no model named '{name}'",
        closest(short, known) or "see 'clf models' for the list",
    )


def check_optimizer_name(name: str) -> None:
    """Raises ConfigurationError with the closest name when timm has no such optimiser."""
    known = optimizers()
    asked = name.strip().lower()
    if asked not in known:
        raise ConfigurationError(f"no optimiser named '{name}'", closest(asked, known) or "try adamw")
