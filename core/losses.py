"""What is minimised: per-image losses whose weighted mean is the loss of a batch, however the batch is cut or mixed."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from core.mixing import Mixed
from recipes.sections import Loss, LossName

TINY = 1e-7  # 1 - p of a perfect answer: below it the gradient of its gamma-th power is infinite
PerImage = Callable[[Tensor, Tensor], Tensor]


class Criterion:
    """A loss with class weights and a prior correction.

    The loss of a batch is ``sum(values) / sum(weights)`` over its images (torch's weighted mean). Both sums are
    formed per micro-batch against the whole batch's weight, so accumulation gives the gradient of the whole batch.
    """

    def __init__(
        self,
        loss: Loss,
        classes: int,
        class_weights: Tensor | None = None,
        log_prior: Tensor | None = None,
    ) -> None:
        """`class_weights` ``(classes,)`` float; `log_prior` ``(classes,)`` is added to the scores
        (logit adjustment, Menon et al. 2021, arXiv:2007.07314)."""
        self.classes = classes
        self.class_weights = class_weights
        self.log_prior = log_prior
        self._per_image = _per_image(loss, classes, class_weights)

    def values(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Class scores ``(N, classes)`` of any float type and labels ``(N,)`` to weighted losses ``(N,)``, float32."""
        scores = scores.float()
        if self.log_prior is not None:
            scores = scores + self.log_prior
        return self._per_image(scores, labels)

    def weight(self, labels: Tensor) -> Tensor:
        """The sum of the images' weights, a scalar tensor; above 0 also where only classes of weight 0 are there."""
        if self.class_weights is None:
            return torch.full((), float(labels.numel()), device=labels.device)
        return self.class_weights[labels].sum().clamp_min(TINY)

    def mean(self, scores: Tensor, labels: Tensor) -> Tensor:
        """The loss of one whole batch, a scalar tensor."""
        return self.values(scores, labels).sum() / self.weight(labels)

    def part(self, scores: Tensor, mixed: Mixed, whole: tuple[Tensor, Tensor]) -> Tensor:
        """A micro-batch's share of ``lam * L(a) + (1 - lam) * L(b)``; `whole` holds the batch's two weights."""
        first = self.values(scores, mixed.labels_a).sum() / whole[0]
        if mixed.lam >= 1.0:
            return first
        second = self.values(scores, mixed.labels_b).sum() / whole[1]
        return mixed.lam * first + (1.0 - mixed.lam) * second


def _per_image(loss: Loss, classes: int, weights: Tensor | None) -> PerImage:
    smoothing = loss.label_smoothing
    if loss.name is LossName.CROSS_ENTROPY or loss.name is LossName.NLL:
        return lambda scores, labels: F.cross_entropy(
            scores, labels, weight=weights, reduction="none", label_smoothing=smoothing
        )
    if loss.name is LossName.FOCAL:
        return lambda scores, labels: focal(
            scores, soft_targets(labels, classes, smoothing), loss.focal_alpha, loss.focal_gamma, weights
        )
    return lambda scores, labels: binary(
        scores, soft_targets(labels, classes, smoothing), loss.bce_pos_weight, _of_label(weights, labels)
    )


def _of_label(weights: Tensor | None, labels: Tensor) -> Tensor | None:
    return None if weights is None else weights[labels]


def soft_targets(labels: Tensor, classes: int, smoothing: float) -> Tensor:
    """One-hot targets ``(N, classes)`` with `smoothing` spread over all classes (Szegedy et al. 2016)."""
    off = smoothing / classes
    targets = torch.full((labels.numel(), classes), off, device=labels.device)
    return targets.scatter_(1, labels.unsqueeze(1), 1.0 - smoothing + off)


def focal(scores: Tensor, targets: Tensor, alpha: float, gamma: float, weights: Tensor | None) -> Tensor:
    """Multi-class focal loss ``-alpha (1 - p)^gamma log p`` per image (Lin et al. 2017, arXiv:1708.02002).

    `targets` ``(N, classes)`` sum to 1; with soft targets it is their weighted sum over the classes.
    """
    log_p = F.log_softmax(scores, dim=1)
    per_class = -alpha * (1.0 - log_p.exp()).clamp_min(TINY).pow(gamma) * log_p * targets
    return (per_class if weights is None else per_class * weights).sum(dim=1)


def binary(scores: Tensor, targets: Tensor, pos_weight: float, image_weights: Tensor | None) -> Tensor:
    """One-against-all binary cross-entropy per image: the mean over its classes (Wightman et al. 2021, ResNet
    strikes back, arXiv:2110.00476)."""
    positive = torch.full((scores.shape[1],), pos_weight, device=scores.device)
    values = F.binary_cross_entropy_with_logits(scores, targets, pos_weight=positive, reduction="none").mean(dim=1)
    return values if image_weights is None else values * image_weights


def plain(loss: Loss, classes: int) -> Criterion:
    """The loss that validation reports: the same family without smoothing, class weights or prior correction."""
    return Criterion(loss.model_copy(update={"label_smoothing": 0.0}), classes)
