"""What a recipe must pass before it is queued: paths made absolute, and everything checked that can be known now.

Both faces call `admit` and then `Queue.enqueue`. Loads no torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from jobs.parent import WEIGHTS_SUFFIXES, check_start
from recipes.errors import ConfigurationError
from recipes.home import Home
from recipes.recipe import Recipe
from recipes.sections import Section

S = TypeVar("S", bound=Section)


@dataclass(frozen=True)
class Admitted:
    """A recipe that may be queued, and what is known of its data."""

    recipe: Recipe
    data_hash: str | None  # None: not known before the data was downloaded or exported
    summary: str  # "12 classes, 576 train / 144 val / 240 test images"


def admit(recipe: Recipe, home: Home) -> Admitted:
    """Check `recipe` as far as possible without training it; raises DataError or ConfigurationError."""
    from core.class_weights import read_class_weights
    from core.manifest import build_manifest, describe_source
    from core.names import check_model_name, check_optimizer_name

    check_model_name(recipe.model.name)
    for plan in recipe.plan():
        check_optimizer_name(plan.optim.name)
    check_start(home, recipe)
    source = describe_source(recipe.data, home.datasets)
    recipe = _absolute(recipe, str(source.root) if source.kind == "folder" else source.kind)
    for field in ("weights", "class_weights"):
        _check_file(recipe, field)
    if not source.ready:
        return Admitted(recipe, None, f"{source.classes} classes, {source.images:,} images")
    manifest = build_manifest(recipe.data, recipe.run.seed, home.datasets)
    if recipe.data.class_weights:
        read_class_weights(Path(recipe.data.class_weights), manifest.classes)
    counts = " / ".join(f"{count:,} {split}" for split, count in manifest.counts().items())
    others = f"; passed over, as no images: {manifest.passed_over}" if manifest.passed_over else ""
    return Admitted(recipe, manifest.digest, f"{len(manifest.classes)} classes, {counts} images{others}")


def _absolute(recipe: Recipe, source: str) -> Recipe:
    """Paths as the worker will need them: it runs in another folder, perhaps tomorrow."""
    data, model = _replace(recipe.data, source=source), recipe.model
    if data.class_weights:
        data = _replace(data, class_weights=_path(data.class_weights))
    if model.weights:
        model = _replace(model, weights=_path(model.weights))
    if model.init_from and Path(model.init_from).expanduser().is_file():
        model = _replace(model, init_from=_path(model.init_from))
    return recipe.model_copy(update={"data": data, "model": model})


def _replace(section: S, **changes: str) -> S:
    return section.model_copy(update=changes)


def _path(text: str) -> str:
    if "://" in text:
        raise ConfigurationError(f"{text} is an address: a job reads files", "download it, and give the file")
    return str(Path(text).expanduser().absolute())


def _check_file(recipe: Recipe, field: str) -> None:
    text = recipe.model.weights if field == "weights" else recipe.data.class_weights
    if text is None:
        return
    flag = f"--{field.replace('_', '-')}"
    path = Path(text)
    if not path.is_file():
        raise ConfigurationError(f"{flag}: no file {path}", "check the path")
    if field == "weights" and path.suffix not in WEIGHTS_SUFFIXES:
        raise ConfigurationError(
            f"{flag}: {path.name} is not a weights file by its name", f"expected one of {', '.join(WEIGHTS_SUFFIXES)}"
        )
