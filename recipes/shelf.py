"""Which recipe files there are: those that ship with clf and the person's own. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from recipes.errors import UsageError

BUILT_IN = Path(__file__).parent


@dataclass(frozen=True)
class Found:
    """A recipe file: its name (the file's stem with `_`), where it lies and whose it is."""

    name: str
    path: Path
    origin: Literal["built-in", "own", "file"]


def normal(name: str) -> str:
    """`two-stage` and `two_stage` are the same recipe."""
    return name.strip().replace("-", "_")


def available(own: Path | None = None) -> dict[str, Found]:
    """Every recipe by name; one in `own` (``$CLF_HOME/recipes``) hides a built-in of the same name."""
    found = {normal(path.stem): Found(normal(path.stem), path, "built-in") for path in sorted(BUILT_IN.glob("*.toml"))}
    if own is not None and own.is_dir():
        for path in sorted(own.glob("*.toml")):
            found[normal(path.stem)] = Found(normal(path.stem), path, "own")
    return found


def copy(found: Found, own: Path, name: str) -> Path:
    """Copy a recipe's file, comments and all, to `own` under another name; the new file. Raises UsageError, OSError."""
    path = own / f"{normal(name)}.toml"
    if not normal(name) or path.parent != own or path.stem.startswith("."):
        raise UsageError(f"'{name}' cannot be a recipe's name", "use letters, digits, - and _")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(found.path.read_text(encoding="utf-8"))
    except FileExistsError as error:
        raise UsageError(f"{path} exists already", "choose another name") from error
    return path
