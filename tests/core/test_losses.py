"""Losses against torch, timm and formulas in float64."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from timm.loss import BinaryCrossEntropy
from torch import Tensor

from core.losses import Criterion, plain
from core.mixing import Mixed
from recipes.sections import Loss, LossName

N, CLASSES = 24, 7


def batch(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(N, CLASSES, generator=generator) * 3
    labels = torch.randint(0, CLASSES, (2, N), generator=generator)
    return scores, labels[0], labels[1]


WEIGHTS = torch.tensor([0.5, 1.0, 2.0, 0.1, 3.0, 1.5, 0.7])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_cross_entropy_is_torchs(smoothing: float, weights: Tensor | None) -> None:
    scores, labels, _ = batch()
    ours = Criterion(Loss(label_smoothing=smoothing), CLASSES, weights).mean(scores, labels)
    torch.testing.assert_close(ours, F.cross_entropy(scores, labels, weights, label_smoothing=smoothing))


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_nll_is_torchs(weights: Tensor | None) -> None:
    scores, labels, _ = batch()
    ours = Criterion(Loss(name=LossName.NLL), CLASSES, weights).mean(scores, labels)
    torch.testing.assert_close(ours, F.nll_loss(scores.log_softmax(1), labels, weights))


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_focal_is_its_formula_in_float64(weights: Tensor | None) -> None:
    scores, labels, _ = batch()
    p = scores.double().softmax(1)[torch.arange(N), labels]
    w = torch.ones(N, dtype=torch.float64) if weights is None else weights.double()[labels]
    expected = (w * -0.25 * (1 - p) ** 2 * p.log()).sum() / w.sum()
    ours = Criterion(Loss(name=LossName.FOCAL), CLASSES, weights).mean(scores, labels)
    assert ours.item() == pytest.approx(expected.item(), rel=1e-5)


def test_focal_with_gamma_zero_and_alpha_one_is_cross_entropy_with_smoothing() -> None:
    scores, labels, _ = batch()
    loss = Loss(name=LossName.FOCAL, focal_alpha=1.0, focal_gamma=0.0, label_smoothing=0.1)
    ours = Criterion(loss, CLASSES).mean(scores, labels)
    torch.testing.assert_close(ours, F.cross_entropy(scores, labels, label_smoothing=0.1))


def test_focal_has_a_gradient_for_a_perfect_answer() -> None:
    scores = torch.tensor([[200.0, 0.0]], requires_grad=True)
    Criterion(Loss(name=LossName.FOCAL, focal_gamma=0.5), 2).mean(scores, torch.tensor([0])).backward()
    assert scores.grad is not None
    assert torch.isfinite(scores.grad).all()


@pytest.mark.parametrize(("smoothing", "positive"), [(0.0, 1.0), (0.1, 1.0), (0.1, 4.0)])
def test_binary_cross_entropy_is_timms(smoothing: float, positive: float) -> None:
    scores, labels, _ = batch()
    loss = Loss(name=LossName.BCE, label_smoothing=smoothing, bce_pos_weight=positive)
    reference = BinaryCrossEntropy(smoothing=smoothing, pos_weight=torch.full((CLASSES,), positive))
    torch.testing.assert_close(Criterion(loss, CLASSES).mean(scores, labels), reference(scores, labels))


def test_logit_adjustment_adds_the_log_prior_to_the_scores() -> None:
    scores, labels, _ = batch()
    prior = (WEIGHTS / WEIGHTS.sum()).log()
    ours = Criterion(Loss(), CLASSES, log_prior=prior).mean(scores, labels)
    torch.testing.assert_close(ours, F.cross_entropy(scores + prior, labels))


@given(
    name=st.sampled_from(list(LossName)),
    lam=st.floats(0.0, 1.0),
    cuts=st.integers(1, 6),
    weighted=st.booleans(),
    adjusted=st.booleans(),
    seed=st.integers(0, 100),
)
def test_parts_of_a_mixed_batch_add_up_to_lam_times_a_plus_the_rest_times_b(
    name: LossName, lam: float, cuts: int, weighted: bool, adjusted: bool, seed: int
) -> None:
    scores, labels_a, labels_b = batch(seed)
    prior = (WEIGHTS / WEIGHTS.sum()).log() if adjusted else None
    criterion = Criterion(Loss(name=name, label_smoothing=0.1), CLASSES, WEIGHTS if weighted else None, prior)
    whole = (criterion.weight(labels_a), criterion.weight(labels_b))
    parts = zip(scores.tensor_split(cuts), labels_a.tensor_split(cuts), labels_b.tensor_split(cuts), strict=True)
    summed = sum(criterion.part(s, Mixed(s, a, b, lam), whole) for s, a, b in parts)
    alone = Criterion(Loss(name=name, label_smoothing=0.1), CLASSES, WEIGHTS if weighted else None)
    shifted = scores if prior is None else scores + prior
    expected = lam * alone.mean(shifted, labels_a) + (1 - lam) * alone.mean(shifted, labels_b)
    torch.testing.assert_close(summed, expected, rtol=1e-4, atol=1e-5)


def test_a_batch_of_classes_without_weight_teaches_nothing() -> None:
    """torch's weighted mean is 0 / 0 there."""
    scores = torch.randn(4, 3, requires_grad=True)
    loss = Criterion(Loss(), 3, torch.tensor([0.0, 1.0, 1.0])).mean(scores, torch.zeros(4, dtype=torch.int64))
    loss.backward()
    assert (loss.item(), float(scores.grad.abs().sum())) == (0.0, 0.0)  # type: ignore[union-attr]


def test_validation_reports_the_loss_without_smoothing_or_weights() -> None:
    scores, labels, _ = batch()
    torch.testing.assert_close(
        plain(Loss(label_smoothing=0.3), CLASSES).mean(scores, labels), F.cross_entropy(scores, labels)
    )
