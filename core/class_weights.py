"""Reading a CSV file of class weights. Loads no torch, so that a job can be checked while it is queued."""

from __future__ import annotations

import csv
import math
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from recipes.errors import ConfigurationError, closest


def read_class_weights(path: Path, classes: Sequence[str]) -> list[float]:
    """The weights, 0 or more, in a CSV file with the columns ``class,weight``, in the order of `classes`.

    Every class stands there exactly once, one of them with more than 0. Raises ConfigurationError naming the line.
    """
    try:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(f"cannot read class weights {path}: {error}", "check --class-weights") from error
    found: dict[str, float] = {}
    for line, row in enumerate(rows, start=2):
        if not {"class", "weight"} <= row.keys():
            raise ConfigurationError(f"{path}: the first line must be class,weight", "one class a line follows it")
        name = unicodedata.normalize("NFC", (row["class"] or "").strip())  # as the classes of a folder are
        weight = _weight(row["weight"], path, line)
        if name not in classes:
            raise ConfigurationError(f"{path}, line {line}: no class named '{name}'", closest(name, classes))
        if name in found:
            raise ConfigurationError(f"{path}, line {line}: class '{name}' occurs twice", "keep one of the lines")
        found[name] = weight
    missing = [name for name in classes if name not in found]
    if missing:
        raise ConfigurationError(f"{path}: no weight for class '{missing[0]}'", "give every class a line")
    if not any(found.values()):
        raise ConfigurationError(f"{path}: every weight is 0, so nothing would be learnt", "give a class more than 0")
    return [found[name] for name in classes]


def _weight(text: str | None, path: Path, line: int) -> float:
    try:
        weight = float(text or "")
    except ValueError:
        weight = math.nan
    if not (math.isfinite(weight) and weight >= 0):
        raise ConfigurationError(f"{path}, line {line}: weight '{text}' is no number of 0 or more", "mend that line")
    return weight
