"""A stage's own sections are in force in that stage: size, freezing, optimiser, schedule, mixing, early stopping."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook

from core.checkpoint import LAST, load
from core.events import CheckpointSaved, EpochEnded, Event, Outcome, RunFinished, StageStarted, StepLogged
from core.features import FeatureLoader
from core.finish import _plan_of as plan_of
from core.metrics import better
from core.models import Network
from core.schedule import Span, rate
from core.stage import Stage, open_loader, wants_to_stop
from core.train import train
from recipes.recipe import Recipe
from recipes.sections import ScheduleName

Make = Callable[..., Recipe]
Go = Callable[..., list[Event]]


def epochs_of(events: list[Event]) -> list[EpochEnded]:
    return [event for event in events if isinstance(event, EpochEnded)]


@pytest.mark.parametrize("model", ["test_resnet", "test_vit"])
def test_images_grow_from_stage_to_stage_in_training_and_validation(
    recipe: Make, run: Go, tmp_path: Path, model: str
) -> None:
    """Progressive resizing; a transformer's position embedding is resized with the images."""
    stages = [
        {"name": "small", "epochs": 1, "data": {"image_size": 32}},
        {"name": "large", "epochs": 1, "data": {"image_size": 48}},
    ]
    seen: list[tuple[bool, int]] = []

    def look(module: nn.Module, inputs: Any) -> None:
        if isinstance(module, Network):
            seen.append((module.body.training, inputs[0].shape[-1]))

    handle = register_module_forward_pre_hook(look)
    try:
        events = run(recipe(f"model.name={model}", "run.ema_decay=0.5", stages=stages))
    finally:
        handle.remove()
    assert [event.image_size for event in events if isinstance(event, StageStarted)] == [32, 48]
    training = [side for trains, side in seen if trains]
    assert training == sorted(training)
    assert set(training) == {32, 48}
    best = load(tmp_path / "run" / "final_model.pt")
    assert seen[-1] == (False, 32 if best["epoch"] == 1 else 48)


@pytest.mark.parametrize("best", [1, 2])
def test_the_final_model_is_tested_at_the_size_it_was_best_at(recipe: Make, run: Go, tmp_path: Path, best: int) -> None:
    """One stage learns, the other spoils what there is."""
    learning, spoiling = {"lr": 1e-3}, {"lr": 0.05}
    stages = [
        {"name": "small", "epochs": 1, "data": {"image_size": 32}, "optim": learning if best == 1 else spoiling},
        {"name": "large", "epochs": 1, "data": {"image_size": 48}, "optim": learning if best == 2 else spoiling},
    ]
    sides: list[int] = []

    def look(module: nn.Module, inputs: Any) -> None:
        if isinstance(module, Network):
            sides.append(inputs[0].shape[-1])

    handle = register_module_forward_pre_hook(look)
    try:
        run(recipe("model.name=test_vit", "data.samples=200", "run.batch_size=8", "run.select=loss", stages=stages))
    finally:
        handle.remove()
    final, side = load(tmp_path / "run" / "final_model.pt"), 32 if best == 1 else 48
    assert (final["epoch"], final["input"]["image_size"], sides[-1]) == (best, side, side)


def test_the_final_test_makes_squares_as_the_best_weights_saw_them(recipe: Make, prepared: Any) -> None:
    stages = [{"name": name, "data": {"resize": name}} for name in ("letterbox", "squash")]
    run = prepared(recipe(stages=stages))
    best = {"input": {"image_size": 32, "resize": "letterbox"}}
    assert [plan_of(run, found).data.resize for found in (best, None)] == ["letterbox", "squash"]


def test_a_transformer_whose_images_grow_resumes_at_the_change_of_stage(
    recipe: Make, datasets: Path, tmp_path: Path
) -> None:
    stages = [
        {"name": "small", "epochs": 1, "data": {"image_size": 32}},
        {"name": "large", "epochs": 1, "data": {"image_size": 48}},
    ]
    plan = recipe("model.name=test_vit", "run.ema_decay=0.5", "data.image_size=32", stages=stages)
    list(train(plan, tmp_path / "whole", datasets=datasets))
    for last in (StageStarted, EpochEnded, CheckpointSaved, StepLogged):
        for event in train(plan, tmp_path / "killed", datasets=datasets):
            if isinstance(event, last):
                break
    list(train(plan, tmp_path / "killed", datasets=datasets))
    whole, killed = (load(tmp_path / name / LAST) for name in ("whole", "killed"))
    for kind in ("weights", "average"):
        assert all(torch.equal(value, killed[kind][name]) for name, value in whole[kind].items())


def test_a_frozen_stage_moves_only_the_classifier(recipe: Make, datasets: Path, tmp_path: Path) -> None:
    plan = recipe(name="two_stage", data={"source": "digits"}, run={"epochs": 2, "ema_decay": 0.0})
    before, head, finetuned = (
        load(event.path)["weights"]
        for event in train(plan, tmp_path / "run", datasets=datasets)
        if isinstance(event, CheckpointSaved) and event.kind == "last"
    )
    moved = {name for name in before if not torch.equal(before[name], head[name])}
    assert moved == {"fc.weight", "fc.bias"}
    untouched = {name for name in head if torch.equal(head[name], finetuned[name])}
    assert not untouched, "the second stage trains everything, BatchNorm statistics included"


@pytest.mark.parametrize("balance", ["none", "sampler"])
def test_kept_features_come_in_the_order_of_their_images(recipe: Make, opened: Any, balance: str) -> None:
    stage = {"name": "head", "epochs": 2, "freeze": "backbone", "augment": {"level": "none"}}
    run, kept = opened(recipe("data.samples=45", f"data.balance={balance}", stages=[stage]))
    assert isinstance(kept.train_loader, FeatureLoader)
    images = open_loader(run, kept.plan, "train", kept.index)
    for epoch in (1, 2):
        batches = [[batch.indices.tolist() for batch in each.epoch(epoch)] for each in (kept.train_loader, images)]
        assert batches[0] == batches[1]


def test_a_stage_takes_its_own_sections_and_the_recipes_for_the_rest(recipe: Make, opened: Any) -> None:
    stage = {
        "name": "only",
        "epochs": 2,
        "augment": {"level": "none"},
        "loss": {"name": "focal"},
        "optim": {"name": "sgd", "lr": 0.5, "momentum": 0.25},
        "schedule": {"name": "constant", "warmup_epochs": 1},
        "run": {"batch_size": 12, "accumulation": 3},
    }
    run, opened_stage = opened(recipe(stages=[stage]))
    plan, learner = opened_stage.plan, opened_stage.learner
    assert plan.augment.level == "none"
    assert plan.loss.name == "focal"
    assert plan.loss.label_smoothing == run.recipe.loss.label_smoothing
    assert type(learner.optimizer).__name__ == "SGD"
    assert learner.optimizer.param_groups[0]["momentum"] == 0.25
    assert (len(opened_stage.train_loader), learner.micro_batch) == (4, 4)
    assert opened_stage.span == Span(steps=8, warmup=4, per_epoch=4)
    assert opened_stage.set_rate(4) == 0.5


@pytest.mark.parametrize("name", [name for name in ScheduleName if name is not ScheduleName.PLATEAU])
def test_the_rate_follows_its_schedule_step_by_step(recipe: Make, run: Go, name: ScheduleName) -> None:
    plan = recipe("run.epochs=4", f"schedule.name={name}", "schedule.warmup_epochs=1.5", "schedule.step_epochs=1")
    (stage,) = plan.plan()
    span = Span.of(stage.schedule, 4, 3)
    ends = [event.metrics["run/lr"] for event in epochs_of(run(plan))]
    assert ends == pytest.approx([rate(stage.schedule, span, step, stage.optim.lr) for step in (2, 5, 8, 11)])


def test_plateau_drops_the_rate_when_validation_gets_no_better(recipe: Make, run: Go) -> None:
    """A rate so small that nothing is learnt, on a network without BatchNorm: every validation is the same."""
    settings = ("run.epochs=5", "model.name=test_vit3", "optim.lr=1e-12", "optim.weight_decay=0")
    plateau = ("schedule.name=plateau", "schedule.plateau_patience=1", "schedule.min_lr=1e-14")
    rates = [event.metrics["run/lr"] for event in epochs_of(run(recipe(*settings, *plateau)))]
    assert rates == pytest.approx([1e-12, 1e-12, 1e-12, 1e-13, 1e-13], rel=1e-6, abs=0)


def test_patience_and_a_plateau_go_on_counting_when_a_run_is_taken_up(
    recipe: Make, datasets: Path, tmp_path: Path
) -> None:
    """Every validation is the same, as above, and the run is killed after each: it still ends with the fourth."""
    settings = ("run.epochs=6", "model.name=test_vit3", "optim.lr=1e-12", "optim.weight_decay=0")
    plateau = ("schedule.name=plateau", "schedule.plateau_patience=1", "schedule.min_lr=1e-14")
    plan = recipe(*settings, *plateau, run={"early_stopping": {"patience": 3}})
    rates: list[float] = []
    for _ in range(6):
        ended = False
        for event in train(plan, tmp_path / "run", datasets=datasets):
            if isinstance(event, EpochEnded):
                rates.append(event.metrics["run/lr"])
                ended = True
            elif ended and isinstance(event, CheckpointSaved) and event.kind == "last":
                break
    assert rates == pytest.approx([1e-12, 1e-12, 1e-12, 1e-13], rel=1e-6, abs=0)


def test_mixing_is_off_in_the_last_epochs_of_the_run_and_only_there(recipe: Make, opened: Any) -> None:
    run, stage = opened(recipe("run.epochs=5", "augment.mixup_alpha=0.2", "augment.mix_off_epochs=2"))
    mixes = [stage.augment(epoch, run.recipe.total_epochs).mixup_alpha > 0 for epoch in range(1, 6)]
    assert mixes == [True, True, True, False, False]


def watch(stage: Stage, name: str, values: list[float]) -> int | None:
    """The number of the value after which the stage wants to stop."""
    for number, value in enumerate(values, start=1):
        if wants_to_stop(stage, {"val/accuracy": 0.0, "val/f1": 0.0, "val/loss": 1.0, name: value}):
            return number
    return None


@pytest.mark.parametrize(
    ("metric", "patience", "min_delta", "values", "stops"),
    [
        ("accuracy", 2, 0.0, [0.5, 0.6, 0.6, 0.6], 4),
        ("accuracy", 2, 0.0, [0.5, 0.4, 0.6, 0.5, 0.5], 5),
        ("accuracy", 2, 0.05, [0.50, 0.54, 0.55, 0.56], 3),
        ("accuracy", 2, 0.05, [0.50, 0.54, 0.56, 0.60], None),
        ("f1", 1, 0.0, [0.5, 0.5], 2),
        ("loss", 1, 0.0, [1.0, 0.9, 0.8, 0.85], 4),
        ("loss", 2, 0.1, [1.0, 0.95, 0.91, 0.85], 3),
    ],
)
def test_early_stopping_watches_its_metric_with_patience_and_a_least_change(
    recipe: Make, opened: Any, metric: str, patience: int, min_delta: float, values: list[float], stops: int | None
) -> None:
    early = {"metric": metric, "patience": patience, "min_delta": min_delta}
    _, stage = opened(recipe(run={"early_stopping": early}))
    assert watch(stage, f"val/{metric}", values) == stops


@pytest.mark.parametrize("metric", ["accuracy", "f1", "loss"])
def test_averaged_weights_that_still_get_better_keep_a_run_going(recipe: Make, opened: Any, metric: str) -> None:
    """The trained weights' values stay the same here; the last two averages are no better than the one before."""
    _, stage = opened(recipe(run={"early_stopping": {"metric": metric, "patience": 2}}))
    values = [0.9, 0.7, 0.5, 0.5, 0.5] if metric == "loss" else [0.1, 0.3, 0.5, 0.5, 0.5]
    assert watch(stage, f"ema/{metric}", values) == 5


def test_a_validation_that_is_no_number_is_never_the_better_one(recipe: Make, opened: Any) -> None:
    _, stage = opened(recipe(run={"early_stopping": {"metric": "accuracy", "patience": 3}}))
    assert better({"val/loss": math.nan, "ema/loss": 9.0}, "loss") == ("ema", -9.0)
    assert watch(stage, "val/accuracy", [math.nan, 0.5, 0.6, math.nan, 0.6, 0.5]) == 6


def test_without_early_stopping_a_run_never_gets_impatient(recipe: Make, opened: Any) -> None:
    _, stage = opened(recipe())
    assert watch(stage, "val/accuracy", [0.5] * 50) is None


def test_the_better_of_trained_and_averaged_weights_is_kept(recipe: Make, run: Go, tmp_path: Path) -> None:
    settings = ("run.epochs=5", "data.samples=100", "optim.lr=0.02", "run.ema_decay=0.9", "schedule.name=constant")
    events = run(recipe(*settings))
    final = load(tmp_path / "run" / "final_model.pt")
    values = [
        {name: event.metrics[f"{name}/accuracy"] for name in ("val", "ema")} | {"epoch": event.epoch}
        for event in epochs_of(events)
    ]
    best = max(values, key=lambda each: max(each["val"], each["ema"]))
    assert final["epoch"] == best["epoch"]
    assert final["averaged"] == (best["ema"] >= best["val"])
    assert any(each["ema"] > each["val"] for each in values), "a noisy run whose average is smoother"


def test_of_equal_weights_the_averaged_ones_are_kept(recipe: Make, run: Go, tmp_path: Path) -> None:
    run(recipe("run.epochs=2", "optim.lr=1e-9", "run.ema_decay=0.9"))  # nothing moves: both answer alike
    assert load(tmp_path / "run" / "final_model.pt")["averaged"]


@pytest.mark.parametrize("select", ["accuracy", "f1", "loss"])
def test_the_final_model_is_the_best_by_the_metric_that_selects(
    recipe: Make, run: Go, tmp_path: Path, select: str
) -> None:
    told = run(recipe("run.epochs=5", "optim.lr=0.02", f"run.select={select}"))
    events = epochs_of(told)
    assert isinstance(told[-1], RunFinished)
    assert tmp_path / "run" / f"best_{select}.pt" in told[-1].files
    sign = -1 if select == "loss" else 1
    best = max(events, key=lambda event: sign * event.metrics[f"val/{select}"])
    assert load(tmp_path / "run" / "final_model.pt")["epoch"] == best.epoch
    assert not math.isnan(best.metrics["val/loss"])


def test_validation_and_test_losses_are_those_of_the_answers_alone(recipe: Make, run: Go) -> None:
    """Smoothing, class weights and the prior shape what is learnt, and nothing is learnt here."""
    still = ("data.samples=45", "run.epochs=1", "optim.lr=1e-30", "optim.weight_decay=0")
    shaping = ((), ("loss.label_smoothing=0.5", "data.balance=weights"), ("data.balance=logit_adjust",))
    losses = []
    for number, settings in enumerate(shaping):
        events = run(recipe(*still, *settings), str(number))
        assert isinstance(events[-1], RunFinished)
        (epoch,) = epochs_of(events)
        losses.append((epoch.metrics["val/loss"], events[-1].metrics["test/loss"]))
    assert losses[1:] == [losses[0]] * 2


def test_a_longer_run_after_early_stopping_goes_on(recipe: Make, run: Go) -> None:
    """Its patience begins anew: the epochs it was given are trained."""
    early = {"metric": "accuracy", "patience": 1, "min_delta": 1.0}
    stopped = run(recipe(run={"epochs": 9, "early_stopping": early}))
    assert isinstance(stopped[-1], RunFinished)
    assert (stopped[-1].outcome, stopped[-1].epoch) == (Outcome.EARLY_STOPPED, 2)
    longer = run(recipe(run={"epochs": 12, "early_stopping": early}))
    assert [event.epoch for event in epochs_of(longer)] == [3]
    longer = run(recipe(run={"epochs": 13, "early_stopping": {**early, "patience": 3}}))
    assert [event.epoch for event in epochs_of(longer)] == [4, 5, 6]


def test_a_longer_run_after_its_time_was_spent_has_that_time_again(recipe: Make, run: Go) -> None:
    spent = run(recipe("run.epochs=400", "run.max_time=0.5"))
    done = spent[-1].epoch  # type: ignore[union-attr]
    longer = run(recipe("run.epochs=401", "run.max_time=0.5"))
    assert epochs_of(longer)[0].epoch == done + 1


def test_a_longer_run_whose_time_was_spent_with_a_stage_begins_the_next_one(recipe: Make, run: Go) -> None:
    stages = [{"name": "head", "epochs": 1, "freeze": "backbone"}, {"name": "rest", "epochs": 2}]
    assert run(recipe("run.epochs=3", "run.max_time=1e-6", stages=stages))[-1].epoch == 1  # type: ignore[union-attr]
    stages[1]["epochs"] = 3
    longer = run(recipe("run.epochs=4", stages=stages))
    assert [(event.stage, event.epoch) for event in epochs_of(longer)] == [("rest", 2), ("rest", 3), ("rest", 4)]
