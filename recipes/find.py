"""Loading a recipe by name or from a file, with everything it extends."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from recipes.errors import RecipeError, closest
from recipes.merge import merge
from recipes.recipe import Recipe, validate
from recipes.shelf import Found, available, normal

__all__ = ["Found", "available", "document", "load", "normal"]


def document(name: str, own: Path | None = None, file: Path | None = None) -> dict[str, Any]:
    """The merged TOML of a recipe with everything it extends, before overrides and validation."""
    known = available(own)
    found = Found(normal(file.stem), file, "file") if file is not None else _look_up(normal(name), known)
    merged = _extended(found, known, seen=())
    merged["name"] = found.name
    return merged


def load(
    name: str, own: Path | None = None, overrides: dict[str, Any] | None = None, file: Path | None = None
) -> Recipe:
    """The recipe `name` with `overrides` (a nested dict) on top; raises RecipeError."""
    merged = document(name, own, file)
    return validate(merge(merged, overrides or {}), f"recipe '{merged['name']}'")


def _look_up(name: str, known: dict[str, Found]) -> Found:
    if name in known:
        return known[name]
    raise RecipeError(f"no recipe named '{name}'", closest(name, known) or "see 'clf recipes' for the list")


def _extended(found: Found, known: dict[str, Found], seen: tuple[str, ...]) -> dict[str, Any]:
    if str(found.path) in seen:
        raise RecipeError(f"recipe '{found.name}' extends itself", "remove one 'extends' of the circle")
    own = _read(found.path)
    parent = own.pop("extends", None)
    if parent is None:
        return own
    if not isinstance(parent, str):
        raise RecipeError(f"recipe '{found.name}': extends must be the name of a recipe, not {parent!r}")
    candidates = dict(known)
    if normal(parent) == found.name and found.origin == "own":  # an own recipe may extend the built-in it hides
        candidates = available(None)
    base = _extended(_look_up(normal(parent), candidates), known, (*seen, str(found.path)))
    return merge(base, own)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RecipeError(f"no recipe file {path}") from error
    except OSError as error:
        raise RecipeError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is not valid TOML: {error}") from error
