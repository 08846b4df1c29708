"""What goes wrong in long runs, injected through torch's own hooks: no memory, numbers that are none, no time."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

from core.checkpoint import LAST, load
from core.events import EpochEnded, Event, Outcome, Preparing, RunFinished, StageStarted, StepLogged, Warned
from core.models import Network
from recipes.errors import NonFiniteError, OutOfMemoryError
from recipes.recipe import Recipe

Make = Callable[..., Recipe]
Go = Callable[..., list[Event]]


@contextmanager
def before_each_pass(act: Callable[[nn.Module, Tensor], None]) -> Iterator[None]:
    """Call `act(network, images)` before every forward pass of a network."""

    def hook(module: nn.Module, inputs: Any) -> None:
        if isinstance(module, Network):
            act(module, inputs[0])

    handle = register_module_forward_pre_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def room_for(images: int, *, training: bool, start: int = 0) -> Callable[[nn.Module, Tensor], None]:
    """A device with memory for so many images at once, from pass number `start` on."""
    passes = 0

    def act(network: nn.Module, batch: Tensor) -> None:
        nonlocal passes
        if network.body.training is training:
            passes += 1
            if passes > start and len(batch) > images:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")

    return act


def warnings(events: list[Event], kind: str) -> list[str]:
    return [event.message for event in events if isinstance(event, Warned) and event.kind == kind]


WITHOUT_BATCHNORM = ("model.name=test_vit3", "augment.mixup_alpha=0.2", "augment.cutmix_alpha=1.0")


@pytest.mark.parametrize("start", [0, 4])
def test_out_of_memory_in_training_halves_the_micro_batch_and_changes_nothing_else(
    recipe: Make, run: Go, tmp_path: Path, start: int
) -> None:
    """Without BatchNorm the split batch gives the same gradient, so the runs agree to rounding."""
    plan = recipe(*WITHOUT_BATCHNORM)
    whole = run(plan, "whole")
    with before_each_pass(room_for(5, training=True, start=start)):
        cut = run(plan, "cut")
    told = warnings(cut, "out_of_memory")
    assert len(told) == 2
    assert "micro-batch 16 -> 8" in told[0]
    assert "micro-batch 8 -> 4" in told[1]
    assert "BatchNorm" in told[0]
    for one, other in zip(
        (e.metrics for e in whole if isinstance(e, EpochEnded)),
        (e.metrics for e in cut if isinstance(e, EpochEnded)),
        strict=True,
    ):
        assert other["train/loss"] == pytest.approx(one["train/loss"], rel=1e-4)
        assert other["run/lr"] == one["run/lr"]
    assert load(tmp_path / "cut" / LAST)["micro_batch"] == 4


def test_a_failed_try_leaves_no_trace_in_batchnorm_statistics(recipe: Make, run: Go, tmp_path: Path) -> None:
    """A try that fails in its second micro-batch has already moved the statistics with the first."""
    tries = 0

    def act(network: nn.Module, _images: Tensor) -> None:
        nonlocal tries
        if network.body.training:
            tries += 1
            if tries == 2:
                raise torch.OutOfMemoryError("CUDA out of memory.")

    with before_each_pass(act):
        run(recipe("run.epochs=1", "run.accumulation=2", "run.batch_size=16"), "once")
    run(recipe("run.epochs=1", "run.accumulation=4", "run.batch_size=16"), "reference")
    weights, reference = (load(tmp_path / name / LAST)["weights"] for name in ("once", "reference"))
    assert all(torch.equal(weights[name], reference[name]) for name in weights)


def test_out_of_memory_in_validation_gives_the_same_numbers(recipe: Make, run: Go) -> None:
    plan = recipe("run.epochs=1")
    (whole,) = [event for event in run(plan, "whole") if isinstance(event, EpochEnded)]
    with before_each_pass(room_for(3, training=False)):
        events = run(plan, "cut")
    (cut,) = [event for event in events if isinstance(event, EpochEnded)]
    assert any("evaluation" in message for message in warnings(events, "out_of_memory"))
    for name in ("val/accuracy", "val/f1", "val/loss"):
        assert cut.metrics[name] == pytest.approx(whole.metrics[name], rel=1e-5)


def test_no_memory_for_one_image_fails_with_what_to_try(recipe: Make, run: Go) -> None:
    with before_each_pass(room_for(0, training=True)), pytest.raises(OutOfMemoryError) as caught:
        run(recipe())
    assert "micro-batch of 1" in caught.value.message
    assert "GiB" in caught.value.message
    assert "image_size" in caught.value.hint


def spoil(passes: set[int]) -> Callable[[nn.Module, Tensor], None]:
    """A pass whose images are NaN, at these numbers of training passes."""
    count = 0

    def act(network: nn.Module, images: Tensor) -> None:
        nonlocal count
        if network.body.training:
            count += 1
            if count in passes:
                images.fill_(float("nan"))

    return act


def test_a_passing_nan_returns_to_the_last_good_checkpoint(recipe: Make, run: Go, tmp_path: Path) -> None:
    plan = recipe("run.epochs=3", "run.ema_decay=0.9")
    run(plan, "good")
    with before_each_pass(spoil({5})):
        events = run(plan, "spoilt")
    assert len(warnings(events, "non_finite")) == 1
    good, spoilt = (load(tmp_path / name / LAST) for name in ("good", "spoilt"))
    assert all(torch.equal(good["weights"][name], spoilt["weights"][name]) for name in good["weights"])
    assert all(torch.equal(good["average"][name], spoilt["average"][name]) for name in good["average"])


def test_a_lasting_nan_fails_with_the_files_of_its_batch_and_a_finite_checkpoint(
    recipe: Make, run: Go, tmp_path: Path
) -> None:
    with before_each_pass(spoil(set(range(5, 1000)))), pytest.raises(NonFiniteError) as caught:
        run(recipe())
    assert caught.value.message.count(".png") >= 8
    weights = load(tmp_path / "run" / LAST)["weights"]
    assert all(torch.isfinite(value).all() for value in weights.values() if value.is_floating_point())


def test_max_time_cuts_the_schedule_and_still_ends_with_a_tested_model(recipe: Make, run: Go) -> None:
    events = run(recipe("run.epochs=500", "run.max_time=1.5"))
    ended = events[-1]
    assert isinstance(ended, RunFinished)
    assert ended.outcome is Outcome.OUT_OF_TIME
    assert 1 <= ended.epoch < 500
    assert "test/accuracy" in ended.metrics
    assert f"is spent in epoch {ended.epoch} of 500" in warnings(events, "time")[0]
    assert "cut" in warnings(events, "time")[0]


def test_time_that_is_spent_in_the_first_epoch_leaves_a_tested_model_of_its_steps(recipe: Make, run: Go) -> None:
    events = run(recipe("run.epochs=5", "run.max_time=1e-6"))
    ended = events[-1]
    assert isinstance(ended, RunFinished)
    assert (ended.outcome, ended.epoch, ended.step) == (Outcome.OUT_OF_TIME, 1, 1)
    assert "test/accuracy" in ended.metrics


def test_time_that_is_spent_with_the_last_step_cuts_nothing(recipe: Make, run: Go) -> None:
    events = run(recipe("run.epochs=1", "run.batch_size=48", "run.max_time=1e-6"))
    assert isinstance(events[-1], RunFinished)
    assert (events[-1].outcome, warnings(events, "time")) == (Outcome.COMPLETED, [])


def test_patience_that_ends_with_the_last_epoch_stops_nothing_early(recipe: Make, run: Go) -> None:
    events = run(recipe("run.epochs=2", run={"early_stopping": {"patience": 1, "min_delta": 1.0}}))
    assert isinstance(events[-1], RunFinished)
    assert (events[-1].outcome, events[-1].epoch) == (Outcome.COMPLETED, 2)


def test_files_that_are_passed_over_are_told_once(recipe: Make, run: Go, datasets: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    for digit in "01":
        shutil.copytree(datasets / "digits" / digit, data / digit)
        (data / digit / "picture.heic").write_bytes(b"a telephone's")
    plan = recipe("data.samples=16", data={"source": str(data)})
    (told,) = warnings(run(plan), "data")
    assert told.endswith(": 2 .heic")
    assert not warnings(run(plan.model_copy(update={"run": plan.run.model_copy(update={"epochs": 3})})), "data")


def test_an_automatic_batch_size_is_measured_and_kept_when_the_run_is_taken_up(
    recipe: Make, run: Go, tmp_path: Path
) -> None:
    plan = recipe("run.batch_size=auto", "run.epochs=1")
    with before_each_pass(room_for(9, training=True)):
        events = run(plan)
    (stage,) = [event for event in events if isinstance(event, StageStarted)]
    assert stage.batch_size == 8
    assert not warnings(events, "out_of_memory")
    assert load(tmp_path / "run" / LAST)["batch_sizes"] == [8]
    assert not [e for e in run(plan) if isinstance(e, Preparing) and "batch size" in e.what]


def test_the_time_left_is_never_negative(recipe: Make, run: Go) -> None:
    readings = [e for e in run(recipe("run.epochs=4")) if isinstance(e, StepLogged) and e.phase == "train"]
    assert all(event.eta_seconds is None or event.eta_seconds >= 0 for event in readings)
