"""Labels and pixels mix with the same lam, and every draw is a function of (seed, step)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy, one_hot

from core.mixing import Draw, draw, mix
from recipes.sections import Augment

MIXUP = Augment(mixup_alpha=0.2)
CUTMIX = Augment(cutmix_alpha=1.0)
BOTH = Augment(mixup_alpha=0.2, cutmix_alpha=1.0)

seeds, steps = st.integers(0, 2**31 - 1), st.integers(0, 10**9)
alphas = st.floats(0.05, 10.0)


def colours(classes: int, height: int, width: int) -> torch.Tensor:
    """Image i is 1 in channel i and 0 elsewhere: the mean of a channel is the share of that label."""
    return torch.eye(classes, dtype=torch.float64)[:, :, None, None].expand(-1, -1, height, width).clone()


@settings(deadline=None, max_examples=150)
@given(seeds, steps, alphas, alphas, st.integers(2, 5), st.integers(4, 40), st.integers(4, 40))
def test_labels_and_pixels_mix_with_the_same_lam(
    seed: int, step: int, mixup: float, cutmix: float, count: int, height: int, width: int
) -> None:
    images, labels = colours(count, height, width), torch.arange(count)
    augment = Augment(mixup_alpha=mixup, cutmix_alpha=cutmix)
    mixed = mix(images, labels, augment, seed=seed, step=step)
    first, second = one_hot(mixed.labels_a, count).double(), one_hot(mixed.labels_b, count).double()
    targets = mixed.lam * first + (1 - mixed.lam) * second
    torch.testing.assert_close(mixed.images.mean((2, 3)), targets, rtol=0, atol=1e-12)
    assert 0 <= mixed.lam <= 1


@settings(deadline=None)
@given(seeds, steps)
def test_the_same_seed_and_step_mix_the_same_way_whatever_happened_before(seed: int, step: int) -> None:
    images, labels = torch.rand(4, 3, 9, 9), torch.arange(4)
    first = mix(images, labels, BOTH, seed=seed, step=step)
    torch.manual_seed(step)
    np.random.seed(seed % 1000)
    again = mix(images, labels, BOTH, seed=seed, step=step)
    assert torch.equal(first.images, again.images)
    assert first.lam == again.lam


def test_mixup_is_the_formula_and_cutmix_a_rectangle_of_the_partner() -> None:
    images, labels = torch.rand(5, 3, 16, 24, dtype=torch.float64), torch.tensor([3, 1, 4, 1, 5])
    partners = images[[4, 0, 1, 2, 3]]
    for step in range(40):
        mixed = mix(images, labels, MIXUP, seed=1, step=step)
        assert mixed.labels_b.tolist() == [5, 3, 1, 4, 1]
        torch.testing.assert_close(mixed.images, mixed.lam * images + (1 - mixed.lam) * partners, rtol=0, atol=1e-15)
        cut, drawn = mix(images, labels, CUTMIX, seed=1, step=step), draw(CUTMIX, 16, 24, seed=1, step=step)
        assert drawn.box is not None
        top, bottom, left, right = drawn.box
        inside = torch.zeros(16, 24, dtype=torch.bool)
        inside[top:bottom, left:right] = True
        assert torch.equal(cut.images, torch.where(inside, partners, images))
        assert cut.lam == 1 - inside.double().mean().item()


def test_the_mixed_loss_is_cross_entropy_against_soft_targets() -> None:
    """lam * L(a) + (1 - lam) * L(b) equals cross-entropy against lam-weighted one-hot targets."""
    images, labels = torch.rand(6, 3, 8, 8, dtype=torch.float64), torch.tensor([0, 1, 2, 0, 1, 2])
    scores = torch.randn(6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for step in range(10):
        mixed = mix(images, labels, BOTH, seed=0, step=step)
        ours = mixed.lam * cross_entropy(scores, mixed.labels_a) + (1 - mixed.lam) * cross_entropy(
            scores, mixed.labels_b
        )
        soft = one_hot(labels, 3).double()
        reference = cross_entropy(scores, mixed.lam * soft + (1 - mixed.lam) * soft.roll(1, 0))
        torch.testing.assert_close(ours, reference, rtol=1e-12, atol=0)


def test_lam_follows_its_beta_distribution() -> None:
    lams = np.array([draw(MIXUP, 8, 8, seed=0, step=step).lam for step in range(4000)])
    expected = np.random.default_rng(1).beta(0.2, 0.2, 400_000)
    for share in (0.25, 0.5, 0.75):
        assert abs((lams < share).mean() - (expected < share).mean()) < 0.03


def test_cutmix_lam_is_uniform_before_the_border_cuts_and_larger_after() -> None:
    lams = np.array([draw(CUTMIX, 64, 64, seed=0, step=step).lam for step in range(4000)])
    stream = np.random.default_rng(2)
    half = np.sqrt(1 - stream.random(200_000)) / 2
    sides = [
        np.clip(centre + half, 0, 1) - np.clip(centre - half, 0, 1)
        for centre in (stream.random(200_000), stream.random(200_000))
    ]
    assert abs(lams.mean() - (1 - sides[0] * sides[1]).mean()) < 0.02


@pytest.mark.parametrize(("probability", "share"), [(0.0, 0.5), (0.3, 0.5), (1.0, 0.2), (0.8, 1.0)])
def test_batches_are_mixed_as_often_as_asked(probability: float, share: float) -> None:
    augment = Augment(mixup_alpha=0.5, cutmix_alpha=1.0, mix_probability=probability, cutmix_share=share)
    drawn = [draw(augment, 32, 32, seed=5, step=step) for step in range(3000)]
    mixed = [one for one in drawn if one != Draw(1.0)]
    assert abs(len(mixed) / len(drawn) - probability) < 0.03
    if mixed:
        assert abs(sum(one.box is not None for one in mixed) / len(mixed) - share) < 0.04


def test_only_what_is_switched_on_is_drawn() -> None:
    assert all(draw(MIXUP, 32, 32, seed=0, step=step).box is None for step in range(100))
    assert all(draw(CUTMIX, 32, 32, seed=0, step=step).box is not None for step in range(100))
    images, labels = torch.rand(4, 3, 8, 8), torch.arange(4)
    plain = mix(images, labels, Augment(), seed=0, step=0)
    assert plain.images is images
    assert (plain.lam, plain.labels_a is labels) == (1.0, True)


def test_one_image_alone_stays_as_it_is() -> None:
    images = torch.rand(1, 3, 8, 8)
    mixed = mix(images, torch.tensor([1]), BOTH, seed=0, step=3)
    assert mixed.lam == 1.0
    assert torch.equal(mixed.images, images)


def test_mixing_leaves_its_input_and_the_memory_format_alone() -> None:
    images = torch.rand(4, 3, 16, 16).contiguous(memory_format=torch.channels_last)
    before = images.clone()
    for augment in (MIXUP, CUTMIX):
        mixed = mix(images, torch.arange(4), augment, seed=0, step=1)
        assert mixed.images.is_contiguous(memory_format=torch.channels_last)
        assert torch.equal(images, before)


def test_mixing_takes_nothing_from_the_global_streams() -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    mix(torch.zeros(4, 3, 8, 8), torch.arange(4), BOTH, seed=0, step=0)
    assert torch.equal(torch.rand(3), expected)
