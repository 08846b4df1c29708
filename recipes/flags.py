"""The short flags of `enqueue` and `run`: each is a field of the recipe, and is refused where it cannot apply."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from recipes.errors import UsageError
from recipes.merge import assignments, merge, place

DEV_SAMPLES = 100
MIXUP_ALPHA = 0.2  # Zhang et al. 2018, the value of the ImageNet experiments
CUTMIX_ALPHA = 1.0  # Yun et al. 2019

# flag -> the field of a recipe it sets
FIELDS: dict[str, str] = {
    "data": "data.source",
    "image-size": "data.image_size",
    "dev-samples": "data.samples",
    "class-weights": "data.class_weights",
    "model": "model.name",
    "weights": "model.weights",
    "init-from": "model.init_from",
    "dropout": "model.dropout",
    "mixup-alpha": "augment.mixup_alpha",
    "cutmix-alpha": "augment.cutmix_alpha",
    "lr": "optim.lr",
    "optimizer": "optim.name",
    "scheduler": "schedule.name",
    "warmup-epochs": "schedule.warmup_epochs",
    "epochs": "run.epochs",
    "batch-size": "run.batch_size",
    "precision": "run.precision",
    "seed": "run.seed",
    "device": "run.device",
    "max-time": "run.max_time",
}


MOST_SEEDS = 1000


def seeds(text: str) -> tuple[int, ...]:
    """``3``, ``1,2,3`` or ``0-4``, each once and in that order.

    Raises:
        ValueError: what is no whole number, or none or over 1,000 of them.
    """
    found: dict[int, None] = {}
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        try:
            low, high = int(first), int(last if dash else first)
        except ValueError:
            raise ValueError(f"'{part.strip()}' is not a whole number or a range such as 0-4") from None
        if len(found) + high - low >= MOST_SEEDS:
            raise ValueError(f"more than {MOST_SEEDS} seeds")
        found.update(dict.fromkeys(range(low, high + 1)))
    if not found:
        raise ValueError("no seeds, for example 1,2,3 or 0-4")
    return tuple(found)


@dataclass(frozen=True)
class Flags:
    """What was given on the command line. `values` maps names of FIELDS to values; None is "not given"."""

    values: dict[str, Any] = field(default_factory=dict)
    mixup: bool | None = None
    cutmix: bool | None = None
    dev_mode: bool | None = None
    freeze_backbone: bool = False
    sets: tuple[str, ...] = ()


def overrides(flags: Flags, document: dict[str, Any]) -> dict[str, Any]:
    """The nested overrides to lay on the merged recipe `document`; raises UsageError with the reason.

    A flag beats ``--set``, which beats the recipe.
    """
    nested: dict[str, Any] = {}
    given = {name: value for name, value in flags.values.items() if value is not None}
    _mixing(flags, given, document)
    _development(flags, given, document)
    for name, value in given.items():
        _refuse_without_effect(name, document)
        place(nested, FIELDS[name].split("."), value)
    if given.get("dev-samples", 0) is _ALL:
        nested["data"]["samples"] = None
    if flags.freeze_backbone:
        nested["stages"] = _frozen(document)
    return merge(assignments(list(flags.sets)), nested)


_ALL = object()  # "every training image": samples = None, which a value of None cannot say here


def _mixing(flags: Flags, given: dict[str, Any], document: dict[str, Any]) -> None:
    for name, wanted, default in (("mixup", flags.mixup, MIXUP_ALPHA), ("cutmix", flags.cutmix, CUTMIX_ALPHA)):
        alpha = f"{name}-alpha"
        if wanted is False:
            if given.get(alpha):
                raise UsageError(f"--no-{name} and --{alpha} {given[alpha]:g} contradict each other", "give only one")
            given[alpha] = 0.0
        elif wanted and not given.get(alpha):
            if given.get(alpha) == 0:
                raise UsageError(f"--{name} and --{alpha} 0 contradict each other", "give only one")
            given[alpha] = document.get("augment", {}).get(f"{name}_alpha") or default


def _development(flags: Flags, given: dict[str, Any], document: dict[str, Any]) -> None:
    if flags.dev_mode is False:
        if "dev-samples" in given:
            raise UsageError("--no-dev-mode and --dev-samples contradict each other", "give only one")
        given["dev-samples"] = _ALL
    elif flags.dev_mode and "dev-samples" not in given:
        given["dev-samples"] = document.get("data", {}).get("samples") or DEV_SAMPLES


def _frozen(document: dict[str, Any]) -> list[dict[str, Any]]:
    stages = document.get("stages", [])
    if stages:
        names = ", ".join(f"'{stage.get('name')}'" for stage in stages)
        raise UsageError(
            f"--freeze-backbone cannot apply: {document['name']} says for each of its stages what is frozen ({names})",
            f"for example --set stages.{stages[0].get('name')}.freeze=backbone",
        )
    return [{"name": "head", "epochs": document.get("run", {}).get("epochs") or 1, "freeze": "backbone"}]


def _refuse_without_effect(name: str, document: dict[str, Any]) -> None:
    """A field that every stage sets for itself would not be changed by the flag."""
    stages = document.get("stages", [])
    section, key = FIELDS[name].split(".")
    if stages and all(key in stage.get(section, {}) for stage in stages):
        names = ", ".join(f"'{stage['name']}'" for stage in stages)
        raise UsageError(
            f"--{name} cannot apply: the stages {names} of {document['name']} each set {section}.{key}",
            f"use --set stages.{stages[-1]['name']}.{section}.{key}=VALUE",
        )
