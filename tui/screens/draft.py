"""What the form means: the text of its fields becomes Flags, the Flags a recipe, or an error beside each field.

The form and `clf enqueue` share recipes.flags, so what can be said in one can be said in the other.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from recipes.errors import ClfError
from recipes.flags import FIELDS, Flags, overrides, seeds
from recipes.merge import merge
from recipes.recipe import Recipe


@dataclass(frozen=True)
class Entry:
    """One field of the form: `kind` is text, whole, number, batch, path, choice or switch."""

    key: str  # a name of recipes.flags.FIELDS, or one of the form's own
    label: str
    kind: str
    choices: tuple[str, ...] = ()
    hint: str = ""


ENTRIES = (
    Entry("data", "data", "path", hint="a folder, digits or food-101"),
    Entry("name", "name", "text", hint="a name of your own"),
    Entry("model", "model", "text", hint="any timm model, or a short name"),
    Entry("weights", "weights", "path", hint="a local file: .safetensors or .pt"),
    Entry("epochs", "epochs", "whole"),
    Entry("batch-size", "batch size", "batch"),
    Entry("image-size", "image size", "whole"),
    Entry("lr", "learning rate", "number"),
    Entry("optimizer", "optimiser", "text"),
    Entry("scheduler", "schedule", "choice", ("cosine", "onecycle", "step", "multistep", "plateau", "constant")),
    Entry("warmup-epochs", "warm-up epochs", "number"),
    Entry("dropout", "dropout", "number"),
    Entry("mixup", "mixup", "switch"),
    Entry("mixup-alpha", "mixup alpha", "number"),
    Entry("cutmix", "cutmix", "switch"),
    Entry("cutmix-alpha", "cutmix alpha", "number"),
    Entry("freeze", "freeze backbone", "switch"),
    Entry("dev-mode", "development mode", "switch"),
    Entry("dev-samples", "dev. samples", "whole"),
    Entry("precision", "precision", "choice", ("auto", "fp32", "bf16", "fp16")),
    Entry("device", "device", "text", hint="auto, cpu, mps, cuda, cuda:N"),
    Entry("seed", "seeds", "seeds", hint="one, or several: 1,2,3 or 0-4"),
    Entry("priority", "priority", "whole", hint="larger runs first"),
    Entry("sets", "more settings", "sets", hint="section.key=value ..."),
)
OWN = frozenset({"name", "mixup", "cutmix", "freeze", "dev-mode", "seed", "priority", "sets"})
_FIELD_OF = {path: name for name, path in FIELDS.items()}


@dataclass(frozen=True)
class Draft:
    """What the form would queue: a recipe per seed, or errors by field (``""``: of no single field)."""

    recipes: tuple[Recipe, ...] = ()
    name: str | None = None
    priority: int | None = None
    errors: dict[str, str] = field(default_factory=dict)
    changes: dict[str, Any] = field(default_factory=dict)


def draft(document: dict[str, Any], texts: dict[str, str]) -> Draft:
    """The recipes `document` (a merged, sound recipe) gives with the form's texts laid on it; blank: the recipe's."""
    errors: dict[str, str] = {}
    values = {entry.key: _parsed(entry, texts.get(entry.key, "").strip(), errors) for entry in ENTRIES}
    flags = Flags(
        values={name: values.get(name) for name in FIELDS if name not in OWN},
        mixup=values["mixup"],
        cutmix=values["cutmix"],
        dev_mode=values["dev-mode"],
        freeze_backbone=bool(values["freeze"]),
        sets=tuple(values["sets"] or ()),
    )
    found = Draft(name=values["name"], priority=values["priority"], errors=errors)
    if errors:
        return found
    recipes = []
    for seed in values["seed"] or (None,):
        wanted = flags if seed is None else replace(flags, values={**flags.values, "seed": seed})
        built, changes, mistakes = _build(document, wanted)
        if built is None:
            return replace(found, errors=mistakes)
        recipes.append(built)
    return replace(found, recipes=tuple(recipes), changes=changes)


def _build(document: dict[str, Any], flags: Flags) -> tuple[Recipe | None, dict[str, Any], dict[str, str]]:
    from core.names import check_model_name

    try:
        changes = overrides(flags, document)
        recipe = Recipe.model_validate(merge(document, changes))
    except ValidationError as error:
        return None, {}, _located(error)
    except ClfError as error:
        return None, {}, {_blamed(error.message): _said(error)}
    try:
        check_model_name(recipe.model.name)
    except ClfError as error:
        return None, {}, {"model": _said(error)}
    return recipe, changes, {}


def _said(error: ClfError) -> str:
    return f"{error.message}; {error.hint}" if error.hint else error.message


def _blamed(message: str) -> str:
    """The field of the flag a message speaks of."""
    named = re.search(r"--(?:no-)?([a-z-]+)", message)
    name = {"set": "sets", "freeze-backbone": "freeze"}.get(named[1], named[1]) if named else ""
    return name if any(entry.key == name for entry in ENTRIES) else ""


def _located(error: ValidationError) -> dict[str, str]:
    found: dict[str, str] = {}
    for mistake in error.errors(include_url=False):
        path = ".".join(str(part) for part in mistake["loc"])
        message = mistake["msg"].removeprefix("Value error, ")
        message = message[:1].lower() + message[1:]
        known = next((name for place, name in _FIELD_OF.items() if path == place or path.startswith(f"{place}.")), "")
        if not known and (mentioned := re.search(r"\b(batch_size|warmup_epochs|splits)\b", message)):
            known = {"batch_size": "batch-size", "warmup_epochs": "warmup-epochs"}.get(mentioned[1], "")
        if not known and "epochs" in message:
            known = "epochs"
        found.setdefault(known, message if known else f"{path}: {message}" if path else message)
    return found


def _parsed(entry: Entry, text: str, errors: dict[str, str]) -> Any:
    if not text:
        return None
    try:
        return _PARSERS[entry.kind](text)
    except ValueError as error:
        errors[entry.key] = str(error)
        return None


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"'{text}' is not a whole number") from None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"'{text}' is not a number; write 3e-4 or 0.1") from None


def _batch(text: str) -> int | str:
    return text if text == "auto" else _whole(text)


def _switch(text: str) -> bool:
    return text == "on"


def _assignments(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        raise ValueError("a quotation mark is not closed") from None


_PARSERS: dict[str, Callable[[str], Any]] = {
    "text": str,
    "path": str,
    "choice": str,
    "whole": _whole,
    "number": _number,
    "batch": _batch,
    "switch": _switch,
    "seeds": seeds,
    "sets": _assignments,
}
