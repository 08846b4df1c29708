"""Metrics that add up on the device and are read once: loss, top-1, top-5, macro F1."""

from __future__ import annotations

import math

import torch
from torch import Tensor


class Tally:
    """Counts of one pass over a split. Everything stays on the device until `read`."""

    def __init__(self, classes: int, device: torch.device) -> None:
        self.classes = classes
        real = torch.float32 if device.type == "mps" else torch.float64  # MPS has no float64
        self.sums = torch.zeros(4, dtype=real, device=device)  # images, loss, right, right within five
        self.hits = torch.zeros(3, classes, dtype=torch.int64, device=device)  # per class: right, given, predicted

    def add(self, loss_sum: Tensor, scores: Tensor, labels: Tensor) -> None:
        """A batch: the sum of its losses, scores ``(N, classes)``, labels ``(N,)`` int64."""
        predicted = scores.argmax(dim=1)
        right = predicted == labels
        within_five = right
        if self.classes > 5:
            within_five = (scores.topk(5, dim=1).indices == labels.unsqueeze(1)).any(dim=1)
        row = torch.stack([loss_sum.new_full((), labels.numel()), loss_sum, right.sum(), within_five.sum()])
        self.sums += row.to(self.sums.dtype)
        for line, index, amount in ((0, labels, right), (1, labels, None), (2, predicted, None)):
            ones = torch.ones_like(index) if amount is None else amount.to(torch.int64)
            self.hits[line].scatter_add_(0, index, ones)

    def read(self) -> dict[str, float]:
        """loss, accuracy, f1 and (above 5 classes) top5; rates are 0..1. Waits for the device."""
        images, loss, right, within_five = self.sums.tolist()
        images = max(images, 1.0)
        values = {"loss": loss / images, "accuracy": right / images, "f1": macro_f1(self.hits.cpu())}
        if self.classes > 5:
            values["top5"] = within_five / images
        return values


def macro_f1(hits: Tensor) -> float:
    """The mean F1 over the classes that occur among labels or predictions, as scikit-learn's ``f1_score`` takes it.

    `hits` ``(3, classes)``: per class the images right, labelled and predicted.
    """
    right, labelled, predicted = hits.to(torch.float64)
    occurring = labelled + predicted
    present = occurring > 0
    if not bool(present.any()):
        return 0.0
    return float((2.0 * right[present] / occurring[present]).mean())


class Running:
    """Training loss and accuracy of the epoch so far: sums on the device, plain numbers in a checkpoint."""

    def __init__(self, device: torch.device, sums: list[float] | None = None) -> None:
        real = torch.float32 if device.type == "mps" else torch.float64
        self.sums = torch.tensor(sums or [0.0, 0.0, 0.0], dtype=real, device=device)  # images, loss, right

    def add(self, row: Tensor) -> None:
        """``(3,)``: images, loss x images, right (lam-weighted under mixing)."""
        self.sums += row.to(self.sums.dtype)

    def read(self) -> list[float]:
        """The three sums. Waits for the device."""
        return [float(value) for value in self.sums.tolist()]


def better(metrics: dict[str, float], name: str) -> tuple[str, float]:
    """Which weights' validation is better by `name`, "ema" or "val", and by how much: larger is better, a loss is
    negated, and no number is worst of all.

    Averaged weights stand beside the trained ones, and win where both are equal: few validation images often say so,
    and an average wavers less.
    """
    sign = -1.0 if name == "loss" else 1.0
    found = {split: sign * metrics[f"{split}/{name}"] for split in ("ema", "val") if f"{split}/{name}" in metrics}
    orderly = {split: -math.inf if math.isnan(value) else value for split, value in found.items()}
    split = max(orderly, key=orderly.__getitem__)
    return split, orderly[split]
