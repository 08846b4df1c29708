"""Classes of unequal size: weights for the loss from a CSV file or from the training split, and the classes' prior."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from core.class_weights import read_class_weights
from core.manifest import Manifest
from recipes.sections import Balance, Data


def class_weights(data: Data, manifest: Manifest) -> Tensor | None:
    """``(classes,)`` float32, or None when every image counts the same.

    ``balance = weights`` gives ``images / (classes x images of the class)`` (scikit-learn's "balanced"), ``sqrt`` its
    square root; a file gives its own. File and balance together multiply.
    """
    product: Tensor | None = None
    if data.class_weights is not None:
        given = read_class_weights(Path(data.class_weights).expanduser(), manifest.classes)
        product = torch.tensor(given, dtype=torch.float32)
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
