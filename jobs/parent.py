"""Another job's best weights, where a recipe starts from them."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

from db import records
from recipes.errors import ClfError, ConfigurationError, NotFoundError
from recipes.home import Home
from recipes.recipe import Recipe

WEIGHTS_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin")


def init_from(home: Home, recipe: Recipe) -> Path | None:
    """The checkpoint `model.init_from` means: a file, or the best of another job; raises ConfigurationError."""
    wanted = recipe.model.init_from
    if wanted is None or Path(wanted).is_file():
        return Path(wanted) if wanted else None
    if not home.database.exists():
        raise ConfigurationError(
            f"model.init_from: no file {wanted}, and no job was ever queued",
            "train what it starts from first; --set model.init_from=none starts from nothing",
        )
    try:
        with closing(records.connect(home.database)) as connection:
            parent = records.job(connection, records.find(connection, [wanted])[0])
    except ClfError as error:
        raise ConfigurationError(f"model.init_from: {error.message}, and no such file", error.hint) from error
    for name in ("final_model.pt", f"best_{recipe.run.select}.pt", "best_accuracy.pt"):
        if parent.run_dir and (path := Path(parent.run_dir) / name).is_file():
            return path
    raise ConfigurationError(f"model.init_from: #{parent.id} has no trained weights yet", "let it finish first")


def check_start(home: Home, recipe: Recipe) -> None:
    """Refuse a `model.init_from` that can never be: the number of no job, or a path without a file.

    A name is left alone, for its job may be queued later. Raises ConfigurationError.
    """
    wanted = recipe.model.init_from
    if wanted is None or Path(wanted).expanduser().is_file() or _names_a_job(home, wanted):
        return
    if re.fullmatch(r"#?\d+", wanted):
        raise ConfigurationError(f"model.init_from: no job {wanted.lstrip('#')}", "'clf status' lists the jobs")
    if "/" in wanted or "\\" in wanted or Path(wanted).suffix in WEIGHTS_SUFFIXES:
        raise ConfigurationError(
            f"model.init_from: no file {wanted}", "give a checkpoint's path, or a job's id or name"
        )


def _names_a_job(home: Home, word: str) -> bool:
    if not home.database.exists():
        return False
    try:
        with closing(records.connect(home.database)) as connection:
            return bool(records.find(connection, [word]))
    except NotFoundError:
        return False
