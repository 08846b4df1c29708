"""What a job's record says of the program that queued it: version, commit, and a key for the same work."""

from __future__ import annotations

import hashlib
import json
import os
from functools import cache
from importlib import metadata
from pathlib import Path

from recipes.recipe import Recipe


@cache
def clf_version() -> str:
    """The installed version; a checkout that was never installed says so."""
    try:
        return metadata.version("clf")
    except metadata.PackageNotFoundError:
        return "checkout"


@cache
def git_commit() -> str | None:
    """The commit of clf's own checkout, read from its files; None for an installed package."""
    git = Path(__file__).parents[1] / ".git"
    try:
        head = (git / "HEAD").read_text(encoding="utf-8").strip()
        if not head.startswith("ref: "):
            return head
        name = head.removeprefix("ref: ")
        if (git / name).is_file():
            return (git / name).read_text(encoding="utf-8").strip()
        packed = (git / "packed-refs").read_text(encoding="utf-8").splitlines()
        return next((line.split()[0] for line in packed if line.endswith(f" {name}")), None)
    except OSError:
        return None


def import_path() -> dict[str, str]:
    """The PYTHONPATH a process of ours needs: a checkout must be named, an installed clf is found by itself.

    Site-packages must not be named: it would come before the standard library.
    """
    root = Path(__file__).parents[1]
    inherited = os.environ.get("PYTHONPATH")
    paths = [str(root), *filter(None, [inherited])] if (root / "pyproject.toml").is_file() else [inherited or ""]
    return {"PYTHONPATH": os.pathsep.join(paths)} if any(paths) else {}


def unique_key(recipe: Recipe, data_hash: str | None) -> str:
    """Equal for two jobs that would compute the same: recipe without its names, seed included, and data."""
    document = recipe.model_dump(mode="json", exclude={"name", "description"})
    text = json.dumps([document, data_hash], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
