"""Want of memory and numbers that are none, where a run is most easily spoilt: in an update, in kept features, late."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook

from core.checkpoint import LAST, load
from core.events import EpochEnded, Event, StageStarted
from recipes.errors import NonFiniteError, OutOfMemoryError
from recipes.recipe import Recipe
from tests.core.test_faults import before_each_pass, room_for, spoil, warnings

Make = Callable[..., Recipe]
Go = Callable[..., list[Event]]


@contextmanager
def after_update(numbers: range, act: Callable[[Optimizer], None]) -> Iterator[None]:
    """Call `act(optimizer)` when it has just changed the weights, at these numbers of updates from 1."""
    count = itertools.count(1)

    def hook(optimizer: Optimizer, *_: Any) -> None:
        if next(count) in numbers:
            act(optimizer)

    handle = register_optimizer_step_post_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def no_room(_optimizer: Optimizer) -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def poison(optimizer: Optimizer) -> None:
    optimizer.param_groups[0]["params"][0].data.fill_(float("inf"))


def test_an_update_that_ran_out_of_memory_is_never_applied_twice(recipe: Make, run: Go, tmp_path: Path) -> None:
    """Its weights may be half of one step and half of the next: back to the checkpoint, with half the micro-batch."""
    with after_update(range(2, 3), no_room):
        events = run(recipe("run.ema_decay=0.9"), "torn")
    told = warnings(events, "out_of_memory")
    assert "micro-batch 16 -> 8" in told[0]
    assert "broke off: back to step 0" in told[1]
    run(recipe("run.ema_decay=0.9", "run.accumulation=2"), "halved")
    torn, halved = (load(tmp_path / name / LAST) for name in ("torn", "halved"))
    for part in ("weights", "average"):
        assert all(torch.equal(torn[part][name], halved[part][name]) for name in torn[part]), part
    assert torn["position"] == halved["position"]


@pytest.mark.parametrize(("model", "least"), [("test_vit3", 1), ("test_resnet", 2)])  # BatchNorm over 1 x 1 needs two
def test_updates_that_never_fit_end_with_what_to_try(recipe: Make, run: Go, model: str, least: int) -> None:
    with after_update(range(1, 1000), no_room), pytest.raises(OutOfMemoryError) as caught:
        run(recipe(f"model.name={model}"))
    assert f"micro-batch of {least} " in caught.value.message
    assert "GiB in use" in caught.value.message


@pytest.mark.parametrize("start", [0, 7])
def test_out_of_memory_in_a_late_validation_gives_the_same_numbers(recipe: Make, run: Go, start: int) -> None:
    plan = recipe("run.epochs=3", "run.ema_decay=0.9")
    whole = [event.metrics for event in run(plan, "whole") if isinstance(event, EpochEnded)]
    with before_each_pass(room_for(3, training=False, start=start)):
        events = run(plan, "cut")
    cut = [event.metrics for event in events if isinstance(event, EpochEnded)]
    assert any("evaluation" in message and "GiB" in message for message in warnings(events, "out_of_memory"))
    for one, other in zip(whole, cut, strict=True):
        for name in ("val/accuracy", "val/f1", "val/loss", "ema/loss"):
            assert other[name] == pytest.approx(one[name], rel=1e-5)


def test_no_memory_to_evaluate_one_image_fails_with_what_to_try(recipe: Make, run: Go) -> None:
    with before_each_pass(room_for(0, training=False)), pytest.raises(OutOfMemoryError) as caught:
        run(recipe())
    assert "GiB in use" in caught.value.message
    assert "image_size" in caught.value.hint


@pytest.mark.parametrize("model", ["test_vit3", "test_resnet"])
def test_fp16_leaves_a_bad_step_out_counts_it_and_goes_on(recipe: Make, run: Go, tmp_path: Path, model: str) -> None:
    """The images of one batch are no numbers: no weight, average or statistic takes them in, nor does the record."""
    with before_each_pass(spoil({2, 5})):
        events = run(recipe("run.precision=fp16", f"model.name={model}", "run.ema_decay=0.9"))
    epochs = [event.metrics for event in events if isinstance(event, EpochEnded)]
    assert [metrics["run/skipped"] for metrics in epochs] == [1.0, 1.0]
    assert all(0 < metrics["train/loss"] < 10 for metrics in epochs)
    assert not warnings(events, "non_finite")
    saved = load(tmp_path / "run" / LAST)
    values = [*saved["weights"].values(), *saved["average"].values()]
    assert all(torch.isfinite(value).all() for value in values if value.is_floating_point())


def test_fp16_that_skips_every_step_fails_and_names_the_files(recipe: Make, run: Go) -> None:
    with before_each_pass(spoil(set(range(3, 10_000)))), pytest.raises(NonFiniteError) as caught:
        run(recipe("run.precision=fp16", "run.epochs=20", "data.samples=96"))
    assert caught.value.message.count(".png") >= 8


def frozen(recipe: Make) -> Recipe:
    stages = [{"name": "head", "epochs": 2, "freeze": "backbone"}]
    return recipe("optim.lr=0.01", "augment.level=none", stages=stages)


def test_kept_features_are_computed_in_parts_that_fit(recipe: Make, run: Go, tmp_path: Path) -> None:
    run(frozen(recipe), "whole")
    with before_each_pass(room_for(5, training=False)):
        events = run(frozen(recipe), "cut")
    assert warnings(events, "out_of_memory")
    weights, others = (load(tmp_path / name / LAST)["weights"] for name in ("whole", "cut"))
    for name, value in weights.items():
        torch.testing.assert_close(value, others[name], rtol=1e-3, atol=1e-4)


def test_a_weight_that_is_no_number_behind_a_fair_loss_still_names_its_batch(
    recipe: Make, run: Go, tmp_path: Path
) -> None:
    """The loss and the gradients of that step were fine: only the weights themselves tell."""
    with after_update(range(5, 1000), poison), pytest.raises(NonFiniteError) as caught:
        run(recipe())
    assert caught.value.message.count(".png") >= 8
    weights = load(tmp_path / "run" / LAST)["weights"]
    assert all(torch.isfinite(value).all() for value in weights.values() if value.is_floating_point())


def test_after_a_kill_for_want_of_memory_half_the_micro_batch_is_taken_and_never_less(
    recipe: Make, run: Go, tmp_path: Path
) -> None:
    for _ in range(2):  # the second time it is taken up again
        events = run(recipe(), "halved", halve=True)
        assert "micro-batch 16 -> 8" in warnings(events, "out_of_memory")[0]
    run(recipe("run.accumulation=2"), "accumulated")
    halved, accumulated = (load(tmp_path / name / LAST)["weights"] for name in ("halved", "accumulated"))
    assert load(tmp_path / "halved" / LAST)["micro_batch"] == 8
    assert all(torch.equal(halved[name], accumulated[name]) for name in halved)


def test_a_stage_of_smaller_batches_is_not_enlarged_by_what_fitted_before(recipe: Make, run: Go) -> None:
    stages = [{"name": "large"}, {"name": "small", "run": {"batch_size": 4}}]
    with before_each_pass(room_for(8, training=True)):
        events = run(recipe(stages=stages))
    sizes = [(event.name, event.micro_batch) for event in events if isinstance(event, StageStarted)]
    assert sizes == [("large", 16), ("small", 4)]
