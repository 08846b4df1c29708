"""Which recipe files there are: those that ship with clf and the person's own. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

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
