"""Classes of unequal size: weights for the loss from a CSV file or from the training split, and the classes' prior."""

from __future__ import annotations

import csv
import math
import unicodedata
from pathlib import Path

import torch
from torch import Tensor

from core.manifest import Manifest
from recipes.errors import ConfigurationError, closest
from recipes.sections import Balance, Data


def class_weights(data: Data, manifest: Manifest) -> Tensor | None:
    """``(classes,)`` float32, or None when every image counts the same.

    ``balance = weights`` gives ``images / (classes x images of the class)`` (scikit-learn's "balanced"), ``sqrt`` its
    square root; a file gives its own. File and balance together multiply.
    """
    product: Tensor | None = None
    if data.class_weights is not None:
        product = read_class_weights(Path(data.class_weights).expanduser(), manifest.classes)
    if data.balance in (Balance.WEIGHTS, Balance.SQRT):
        counts = _counts(manifest)
        balanced = counts.sum() / (len(counts) * counts)
        if data.balance is Balance.SQRT:
            balanced = balanced.sqrt()
        product = balanced.float() if product is None else product * balanced.float()
    return product


def log_prior(data: Data, manifest: Manifest) -> Tensor | None:
    """``log`` of each class's share of the training images, ``(classes,)`` float32, for ``balance = logit_adjust``."""
    if data.balance is not Balance.LOGIT_ADJUST:
        return None
    counts = _counts(manifest)
    return (counts / counts.sum()).log().float()


def _counts(manifest: Manifest) -> Tensor:
    labels = torch.tensor([manifest.labels[index] for index in manifest.indices("train")])
    return torch.bincount(labels, minlength=len(manifest.classes)).clamp_min(1).to(torch.float64)


def read_class_weights(path: Path, classes: tuple[str, ...]) -> Tensor:
    """The weights of a CSV file with the columns ``class,weight``; every class exactly once, one above 0 at least.

    Raises ConfigurationError naming the line.
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
    return torch.tensor([found[name] for name in classes], dtype=torch.float32)


def _weight(text: str | None, path: Path, line: int) -> float:
    try:
        weight = float(text or "")
    except ValueError:
        weight = math.nan
    if not (math.isfinite(weight) and weight >= 0):
        raise ConfigurationError(f"{path}, line {line}: weight '{text}' is no number of 0 or more", "mend that line")
    return weight
