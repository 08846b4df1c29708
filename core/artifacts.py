"""The small files of a run directory: recipe.toml, history.json, training_curves.png, model_info.json."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from core.checkpoint import replace_file
from core.content import describe_model
from core.models import parameter_count
from core.run import Run
from recipes.merge import to_toml
from recipes.recipe import Recipe


def write_text(path: Path, text: str) -> None:
    """Put `text` in place whole or not at all. Raises DiskFullError."""
    replace_file(path, lambda file: file.write(text.encode("utf-8")))


def write_json(path: Path, content: Any) -> None:
    """`content` as JSON; numbers that are not finite become null, which JSON can say."""
    write_text(path, json.dumps(_finite(content), indent=2) + "\n")


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value


def write_recipe(recipe: Recipe, folder: Path) -> None:
    """The frozen recipe, as a file that ``--recipe-file`` accepts."""
    document = recipe.model_dump(mode="json", exclude={"name"})
    document["stages"] = [
        {key: value for key, value in stage.items() if value not in ({}, None)} for stage in document["stages"]
    ]
    write_text(folder / "recipe.toml", to_toml(document))


def write_history(run: Run) -> None:
    """One record per epoch: epoch, stage, step and every metric of that epoch by its "split/name"."""
    write_text(run.folder / "history.json", run.history.document)


def write_model_info(run: Run, metrics: dict[str, float]) -> None:
    """Architecture, parameters, classes, input transform, versions and the test metrics of the final model."""
    info = describe_model(run)
    info.pop("recipe")
    config = getattr(run.network.body, "pretrained_cfg", None) or {}
    info["architecture"] = config.get("architecture", run.recipe.model.name)
    info["parameters"] = parameter_count(run.network)
    info["precision"] = run.numbers.precision
    info["best"] = {"epoch": run.best.epoch, "accuracy": run.best.accuracy, "f1": run.best.f1}
    info["metrics"] = metrics
    write_json(run.folder / "model_info.json", info)
