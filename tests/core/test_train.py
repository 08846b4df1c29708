"""Whole runs: what they write, that stopping and going on changes nothing, and that bad luck spoils nothing."""

from __future__ import annotations

import csv
import json
import random
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook

from core.checkpoint import LAST, load, save
from core.events import (
    CheckpointSaved,
    EpochEnded,
    Event,
    Outcome,
    RunFinished,
    RunStarted,
    StageStarted,
    StepLogged,
    Warned,
)
from core.models import Network
from core.train import train
from recipes.find import load as load_recipe
from recipes.recipe import Recipe

Make = Callable[..., Recipe]
Go = Callable[..., list[Event]]
TIMES = ("run/seconds", "run/images_per_second")


def end_of(events: list[Event]) -> RunFinished:
    assert isinstance(events[-1], RunFinished)
    return events[-1]


def warnings(events: list[Event], kind: str) -> list[str]:
    return [event.message for event in events if isinstance(event, Warned) and event.kind == kind]


def without_times(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in record.items() if key not in TIMES} for record in history]


def same(one: Any, other: Any) -> bool:
    """Whether two checkpoints' values are equal bit for bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def test_a_run_tells_its_story_in_order_and_writes_every_file(recipe: Make, run: Go, tmp_path: Path) -> None:
    events = run(recipe())
    kinds = [type(event) for event in events]
    assert kinds.index(RunStarted) < kinds.index(StageStarted) < kinds.index(EpochEnded)
    assert [event.epoch for event in events if isinstance(event, EpochEnded)] == [1, 2]
    ended = end_of(events)
    assert (ended.outcome, ended.epoch, ended.step) == (Outcome.COMPLETED, 2, 6)
    assert {"test/accuracy", "test/f1", "test/loss", "test/top5"} == ended.metrics.keys()
    names = {path.relative_to(tmp_path / "run").as_posix() for path in ended.files}
    assert names == {
        "recipe.toml", "history.json", "training_curves.png", "model_info.json",
        "best_accuracy.pt", "best_f1.pt", "last_checkpoint.pt", "final_model.pt",
        "evaluation/report.json", "evaluation/report.csv", "evaluation/confusion_matrix.csv",
        "evaluation/confusion_matrix.png", "evaluation/predictions.csv",
    }  # fmt: skip


def test_the_files_agree_with_the_events(recipe: Make, run: Go, tmp_path: Path) -> None:
    events = run(recipe())
    folder = tmp_path / "run"
    history = json.loads((folder / "history.json").read_text())
    for record, event in zip(history, (e for e in events if isinstance(e, EpochEnded)), strict=True):
        assert record == {"epoch": event.epoch, "stage": event.stage, "step": event.step, **event.metrics}
        assert record["run/gap"] == record["train/accuracy"] - record["val/accuracy"]
    metrics = end_of(events).metrics
    rows = list(csv.DictReader((folder / "evaluation/predictions.csv").read_text().splitlines()))
    assert sum(row["correct"] == "yes" for row in rows) / len(rows) == pytest.approx(metrics["test/accuracy"])
    assert json.loads((folder / "evaluation/report.json").read_text())["f1"] == pytest.approx(metrics["test/f1"])
    info = json.loads((folder / "model_info.json").read_text())
    assert info["architecture"] == "test_resnet"
    assert info["classes"] == [str(digit) for digit in range(10)]
    assert info["input"]["image_size"] == 32


def test_the_frozen_recipe_can_be_run_again(recipe: Make, run: Go, tmp_path: Path) -> None:
    first = recipe(name="two_stage", data={"source": "digits"})
    run(first)
    document = tomllib.loads((tmp_path / "run/recipe.toml").read_text())
    assert document["model"]["name"] == "test_resnet"
    again = load_recipe("recipe", file=tmp_path / "run/recipe.toml")
    assert again.model_copy(update={"name": first.name}) == first


def test_the_final_model_is_the_best_by_validation_and_loads_as_plain_data(
    recipe: Make, run: Go, tmp_path: Path
) -> None:
    events = run(recipe("run.epochs=4", "optim.lr=0.01", "run.select=f1"))
    best = max((e for e in events if isinstance(e, EpochEnded)), key=lambda event: event.metrics["val/f1"])
    final = torch.load(tmp_path / "run/final_model.pt", weights_only=True)
    assert final["epoch"] == best.epoch
    assert final["metrics"]["val/f1"] == best.metrics["val/f1"]
    assert same(final["weights"], load(tmp_path / "run/best_f1.pt")["weights"])
    assert final["metrics"]["test/accuracy"] == end_of(events).metrics["test/accuracy"]


def passes_of(network_passes: list[int]) -> Any:
    def hook(module: nn.Module, inputs: Any) -> None:
        if type(module) is Network and module.body.training is False and torch.is_grad_enabled():
            network_passes.append(len(inputs[0]))

    return register_module_forward_pre_hook(hook)


def frozen_alone(recipe: Make, **augment: Any) -> Recipe:
    stages = [{"name": "head", "epochs": 3, "freeze": "backbone"}]
    return recipe("run.epochs=3", "optim.lr=0.01", stages=stages, augment={"level": "none", **augment})


def test_a_frozen_stage_without_random_changes_computes_its_features_once(
    recipe: Make, run: Go, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    handle = passes_of(seen)
    try:
        kept = run(frozen_alone(recipe), "kept")
        assert seen == []
        monkeypatch.setattr("core.features.MOST_BYTES", 0)
        passed = run(frozen_alone(recipe), "passed")
        assert len(seen) == 9
    finally:
        handle.remove()
    for one, other in zip(
        (e.metrics for e in kept if isinstance(e, EpochEnded)),
        (e.metrics for e in passed if isinstance(e, EpochEnded)),
        strict=True,
    ):
        assert one["train/loss"] == pytest.approx(other["train/loss"], rel=1e-4)
    weights, others = (load(tmp_path / name / LAST)["weights"] for name in ("kept", "passed"))
    for name, value in weights.items():
        torch.testing.assert_close(value, others[name], rtol=1e-3, atol=1e-4)


def test_a_frozen_stage_on_kept_features_resumes_to_the_same_weights(
    recipe: Make, run: Go, datasets: Path, tmp_path: Path
) -> None:
    run(frozen_alone(recipe), "whole")
    for moment in (2, 5, 9):
        asked = iter(range(100))
        list(
            train(
                frozen_alone(recipe), tmp_path / "cut", datasets=datasets, stop=lambda m=moment, a=asked: next(a) >= m
            )
        )
    run(frozen_alone(recipe), "cut")
    assert_equal_runs(load(tmp_path / "whole" / LAST), load(tmp_path / "cut" / LAST))


EVENTFUL = (
    "run.epochs=3", "run.ema_decay=0.9", "model.dropout=0.2", "model.drop_path=0.1", "augment.level=medium",
    "augment.mixup_alpha=0.2", "augment.cutmix_alpha=1.0", "run.accumulation=2", "schedule.warmup_epochs=1",
)  # fmt: skip


@pytest.fixture(scope="module")
def kept() -> dict[str, Any]:
    """The uninterrupted run's last checkpoint, trained once for the module."""
    return {}


def uninterrupted(kept: dict[str, Any], recipe: Recipe, datasets: Path, folder: Path) -> dict[str, Any]:
    if not kept:
        list(train(recipe, folder, datasets=datasets))
        kept |= load(folder / LAST)
    return kept


def assert_equal_runs(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert same(one["weights"], other["weights"])
    assert same(one["average"], other["average"])
    assert one["position"] == other["position"]
    assert one["best"] == other["best"]
    assert without_times(json.loads(one["history"])) == without_times(json.loads(other["history"]))


@pytest.mark.parametrize("seed", range(6))
def test_a_killed_run_resumes_to_the_same_weights(
    recipe: Make, datasets: Path, tmp_path: Path, kept: dict[str, Any], seed: int
) -> None:
    """Dropped at five random events each (30 in all): in a batch, after a save, at a stage's or a run's end."""
    plan = recipe(*EVENTFUL, run={"checkpoint_every": 1e-9})
    whole = uninterrupted(kept, plan, datasets, tmp_path / "whole")
    chance = random.Random(seed)
    for _ in range(5):
        killed = train(plan, tmp_path / "killed", datasets=datasets)
        for _, _event in zip(range(chance.randrange(1, 18)), killed, strict=False):
            pass
        killed.close()  # type: ignore[attr-defined]
    events = list(train(plan, tmp_path / "killed", datasets=datasets))
    assert end_of(events).outcome is Outcome.COMPLETED
    assert_equal_runs(whole, load(tmp_path / "killed" / LAST))


def test_a_stopped_run_leaves_at_once_and_goes_on_where_it_was(
    recipe: Make, datasets: Path, tmp_path: Path, kept: dict[str, Any]
) -> None:
    plan = recipe(*EVENTFUL)
    whole = uninterrupted(kept, plan, datasets, tmp_path / "whole")
    for moment in (1, 2, 3, 5, 7, 4):
        asked = iter(range(1, 100))
        *_, last = train(plan, tmp_path / "stopped", datasets=datasets, stop=lambda m=moment, a=asked: next(a) >= m)
        assert isinstance(last, RunFinished)
        assert last.outcome is Outcome.STOPPED
        assert last.metrics == {}
    list(train(plan, tmp_path / "stopped", datasets=datasets))
    assert_equal_runs(whole, load(tmp_path / "stopped" / LAST))


@pytest.mark.parametrize(("moment", "images"), [(2, 32), (4, 48)])  # in the second step, in validation
def test_the_speed_of_an_epoch_that_was_interrupted_is_that_of_the_whole_epoch(
    recipe: Make, run: Go, tmp_path: Path, moment: int, images: int
) -> None:
    asked = iter(range(1, 100))
    run(recipe(), stop=lambda: next(asked) >= moment)
    saved = load(tmp_path / "run" / LAST)
    assert saved["spent"][0] == images
    assert saved["spent"][1] > 0
    save(saved | {"spent": [images, 1000.0]}, tmp_path / "run" / LAST)  # as if that had taken long
    first, second = (event.metrics for event in run(recipe()) if isinstance(event, EpochEnded))
    assert first["run/seconds"] > 1000 > second["run/seconds"]
    for metrics in (first, second):
        assert metrics["run/images_per_second"] == pytest.approx(48 / metrics["run/seconds"])


def test_a_checkpoint_that_does_not_know_the_time_of_its_epoch_is_taken_up(
    recipe: Make, run: Go, tmp_path: Path
) -> None:
    asked = iter(range(1, 100))
    run(recipe(), stop=lambda: next(asked) >= 2)
    saved = load(tmp_path / "run" / LAST)
    del saved["spent"]
    save(saved, tmp_path / "run" / LAST)
    assert [event.epoch for event in run(recipe()) if isinstance(event, EpochEnded)] == [1, 2]


@pytest.mark.parametrize("workers", [1, 2])
def test_the_number_of_loader_processes_changes_no_weight(
    recipe: Make, datasets: Path, tmp_path: Path, kept: dict[str, Any], workers: int
) -> None:
    plan = recipe(*EVENTFUL)
    whole = uninterrupted(kept, plan, datasets, tmp_path / "whole")
    list(train(recipe(*EVENTFUL, f"data.workers={workers}"), tmp_path / "run", datasets=datasets))
    assert_equal_runs(whole, load(tmp_path / "run" / LAST))


def test_a_damaged_checkpoint_is_said_and_the_one_before_it_used(
    recipe: Make, datasets: Path, tmp_path: Path, kept: dict[str, Any]
) -> None:
    plan = recipe(*EVENTFUL, run={"checkpoint_every": 1e-9})
    whole = uninterrupted(kept, plan, datasets, tmp_path / "whole")
    for event in train(plan, tmp_path / "run", datasets=datasets):
        if isinstance(event, CheckpointSaved) and event.step == 4:
            break
    path = tmp_path / "run" / LAST
    path.write_bytes(path.read_bytes()[:-100])
    events = list(train(plan, tmp_path / "run", datasets=datasets))
    assert len(warnings(events, "damaged_checkpoint")) == 1
    assert_equal_runs(whole, load(path))


def test_a_reading_comes_at_most_about_twice_a_second(recipe: Make, run: Go) -> None:
    events = run(recipe("run.epochs=1", "data.samples=400", "run.batch_size=2"))
    readings = [event for event in events if isinstance(event, StepLogged) and event.phase == "train"]
    (epoch,) = [event for event in events if isinstance(event, EpochEnded)]
    assert len(readings) <= epoch.metrics["run/seconds"] / 0.5 + 1


def test_a_complete_run_goes_on_with_its_optimiser_when_it_is_given_more_epochs(
    recipe: Make, run: Go, tmp_path: Path
) -> None:
    run(recipe())
    events = run(recipe("run.epochs=4"))
    assert [event.epoch for event in events if isinstance(event, EpochEnded)] == [3, 4]
    last = load(tmp_path / "run" / LAST)
    assert [record["epoch"] for record in json.loads(last["history"])] == [1, 2, 3, 4]
    assert {state["step"].item() for state in last["stage_state"]["optimizer"]["state"].values()} == {12.0}
    assert not [event for event in run(recipe("run.epochs=4")) if isinstance(event, EpochEnded)]


def test_early_stopping_ends_the_stage_and_then_the_run(recipe: Make, run: Go) -> None:
    stopping = {"metric": "accuracy", "patience": 1, "min_delta": 1.0}  # nothing counts as better by so much
    plan = recipe(
        name="two_stage", data={"source": "digits", "samples": 20}, run={"epochs": 22, "early_stopping": stopping}
    )
    events = run(plan)
    assert [event.epoch for event in events if isinstance(event, EpochEnded)] == [1, 2, 3, 4]
    assert [(event.name, event.first_epoch) for event in events if isinstance(event, StageStarted)] == [
        ("head", 1), ("finetune", 3),
    ]  # fmt: skip
    assert end_of(events).outcome is Outcome.EARLY_STOPPED
