"""The learning rate over the steps of a stage, against torch's schedulers."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import SGD, Optimizer
from torch.optim import lr_scheduler as theirs

from core.schedule import Plateau, Span, rate, set_rate
from recipes.sections import Schedule, ScheduleName

STEPS, PER_EPOCH, PEAK = 120, 12, 0.1


def ours(schedule: Schedule, span: Span) -> list[float]:
    return [rate(schedule, span, step, PEAK) for step in range(span.steps)]


def reference(build: Callable[[Optimizer], theirs.LRScheduler], lr: float = PEAK) -> list[float]:
    optimizer = SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    scheduler = build(optimizer)
    rates = []
    for _ in range(STEPS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def test_cosine_is_torchs_and_ends_at_min_lr_on_the_last_step() -> None:
    rates = ours(Schedule(min_lr=1e-3), Span(STEPS, 0, PER_EPOCH))
    assert rates == pytest.approx(reference(lambda o: theirs.CosineAnnealingLR(o, STEPS - 1, eta_min=1e-3)), rel=1e-9)
    assert rates[-1] == pytest.approx(1e-3)


def test_onecycle_is_torchs() -> None:
    rates = ours(Schedule(name=ScheduleName.ONECYCLE, min_lr=1e-6), Span(STEPS, 0, PER_EPOCH))
    expected = reference(
        lambda o: theirs.OneCycleLR(o, PEAK, total_steps=STEPS, div_factor=25, final_div_factor=PEAK / 25 / 1e-6)
    )
    assert rates == pytest.approx(expected, rel=1e-9)


def test_step_is_torchs() -> None:
    rates = ours(Schedule(name=ScheduleName.STEP, step_epochs=3, gamma=0.5), Span(STEPS, 0, PER_EPOCH))
    assert rates == pytest.approx(reference(lambda o: theirs.StepLR(o, 3 * PER_EPOCH, 0.5)))


def test_multistep_is_torchs() -> None:
    rates = ours(Schedule(name=ScheduleName.MULTISTEP, milestones=(0.5, 0.75), gamma=0.1), Span(STEPS, 0, PER_EPOCH))
    assert rates == pytest.approx(reference(lambda o: theirs.MultiStepLR(o, [60, 90], 0.1)))


def test_constant_stays() -> None:
    assert set(ours(Schedule(name=ScheduleName.CONSTANT), Span(STEPS, 0, PER_EPOCH))) == {PEAK}


@given(losses=st.lists(st.floats(0.0, 2.0), min_size=1, max_size=40), patience=st.integers(0, 4))
def test_plateau_is_torchs(losses: list[float], patience: int) -> None:
    optimizer = SGD([torch.nn.Parameter(torch.zeros(1))], lr=PEAK)
    scheduler = theirs.ReduceLROnPlateau(optimizer, factor=0.1, patience=patience, min_lr=1e-6, eps=0)
    schedule, span, plateau = Schedule(name=ScheduleName.PLATEAU), Span(STEPS, 0, PER_EPOCH), Plateau()
    for loss in losses:
        scheduler.step(loss)
        plateau.observe(loss, patience)
        expected = optimizer.param_groups[0]["lr"]
        assert rate(schedule, span, 5, PEAK, plateau.drops) == pytest.approx(expected)


@pytest.mark.parametrize("name", list(ScheduleName))
def test_every_shape_begins_at_the_peak_after_a_linear_warm_up(name: ScheduleName) -> None:
    schedule = Schedule(name=name, warmup_epochs=2, warmup_start_factor=0.02, milestones=(0.9,))
    rates = ours(schedule, Span.of(schedule, STEPS // PER_EPOCH, PER_EPOCH))
    assert rates[0] == pytest.approx(0.02 * PEAK)
    rises = [after - before for before, after in itertools.pairwise(rates[:25])]
    assert rises == pytest.approx([rises[0]] * 24)
    assert rates[24] == pytest.approx(PEAK)
    assert max(rates) == pytest.approx(PEAK)


@given(
    epochs=st.integers(1, 30), per_epoch=st.integers(1, 50), warmup=st.floats(0, 5), name=st.sampled_from(ScheduleName)
)
def test_a_rate_is_never_negative_nor_above_the_peak(
    epochs: int, per_epoch: int, warmup: float, name: ScheduleName
) -> None:
    schedule = Schedule(name=name, warmup_epochs=warmup)
    span = Span.of(schedule, epochs, per_epoch)
    rates = ours(schedule, span)
    assert len(rates) == epochs * per_epoch
    assert all(0 < value <= PEAK * (1 + 1e-9) for value in rates)


def test_groups_keep_their_scale() -> None:
    parameters = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
    optimizer = SGD([{"params": parameters[:1], "lr_scale": 0.5}, {"params": parameters[1:]}], lr=PEAK)
    shown = set_rate(optimizer, Schedule(name=ScheduleName.CONSTANT), Span(10, 0, 5), 3, PEAK)
    assert [group["lr"] for group in optimizer.param_groups] == [PEAK / 2, PEAK]
    assert shown == PEAK
