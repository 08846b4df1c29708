"""Another job's best weights, where a recipe starts from them."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

from db import records
from db.records import JobRecord
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
    found = trained(parent, recipe.run.select.value)
    if found is None:
        raise ConfigurationError(f"model.init_from: #{parent.id} has no trained weights yet", "let it finish first")
    return found


def trained(job: JobRecord, select: str) -> Path | None:
    """The final weights of a job, or the best ones it has had by `select`; None before its first epoch ended."""
    folder = Path(job.run_dir) if job.run_dir else None
    names = ("final_model.pt", f"best_{select}.pt", "best_accuracy.pt")
    return next((folder / name for name in names if (folder / name).is_file()), None) if folder else None


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
