"""Laying one recipe document over another, `--set` assignments, and writing TOML."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import tomli_w

from recipes.errors import UsageError


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`over` laid on `base`: tables merge key by key, everything else replaces.

    `stages` as a list replaces the list; as a table (from ``--set stages.NAME.key=...``) it changes single stages.
    """
    merged = dict(base)
    for key, value in over.items():
        present = merged.get(key)
        if isinstance(present, dict) and isinstance(value, dict):
            merged[key] = merge(present, value)
        elif key == "stages" and isinstance(present, list) and isinstance(value, dict):
            merged[key] = _merge_stages(present, value)
        else:
            merged[key] = value
    return merged


def _merge_stages(stages: list[dict[str, Any]], changes: dict[str, Any]) -> list[dict[str, Any]]:
    names = [str(stage.get("name", index)) for index, stage in enumerate(stages)]
    result = [dict(stage) for stage in stages]
    for name, change in changes.items():
        if name not in names:
            raise UsageError(f"no stage named '{name}'", f"the stages are: {', '.join(names)}")
        index = names.index(name)
        result[index] = merge(result[index], change)
    return result


def assignments(pairs: list[str]) -> dict[str, Any]:
    """``["optim.lr=1e-3", "model.name=resnet18"]`` as a nested dict; values are TOML, or else plain text."""
    nested: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        parts = key.strip().split(".")
        if not equals or not all(parts):
            raise UsageError(f"--set {pair}: expected section.key=value", "for example --set optim.lr=1e-3")
        place(nested, parts, _value(text.strip()))
    return nested


def place(nested: dict[str, Any], parts: list[str], value: Any) -> None:
    """Set `nested[a][b][c] = value` for `parts` ``[a, b, c]``, making the tables on the way."""
    for part in parts[:-1]:
        inner = nested.setdefault(part, {})
        if not isinstance(inner, dict):
            raise UsageError(f"--set {'.'.join(parts)}: '{part}' was given a plain value before")
        nested = inner
    nested[parts[-1]] = value


def _value(text: str) -> Any:
    """A TOML value, or the text itself: ``resnet18`` needs no quotes, ``none`` stays a name."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def without_none(value: Any) -> Any:
    """A copy of a document without keys that are None, which TOML cannot say."""
    if isinstance(value, dict):
        return {key: without_none(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list | tuple):
        return [without_none(inner) for inner in value]
    return value


def to_toml(document: dict[str, Any]) -> str:
    """The document as TOML text: simple lists on one line, no tables that say nothing."""
    text = tomli_w.dumps(without_none(document))
    listed = re.sub(r"(?m)^(\w+ = )\[\n((?:    [^\s\[{].*\n)+)\]$", _on_one_line, text)
    return re.sub(r"(?m)^\[[\w.]+\]\n(?:\n+|\Z)(?=\[|\Z)", "", listed).rstrip("\n") + "\n"


def _on_one_line(found: re.Match[str]) -> str:
    return f"{found[1]}[{' '.join(line.strip() for line in found[2].splitlines()).rstrip(',')}]"
