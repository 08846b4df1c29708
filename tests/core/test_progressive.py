"""A stage regularises the network it shares with the others in its own way, and averages its weights or does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from timm.layers import DropPath
from torch import nn

from core.checkpoint import LAST, load
from core.events import CheckpointSaved, EpochEnded, Event, StageStarted, StepLogged
from core.heads import DropoutLinear, MlpHead
from core.models import build
from core.run import Run
from core.stage import Stage
from core.train import train
from recipes.errors import ConfigurationError, RecipeError
from recipes.recipe import Recipe

Make = Callable[..., Recipe]
Open = Callable[..., tuple[Run, Stage]]


def two(first: dict[str, Any], second: dict[str, Any], section: str = "model") -> list[dict[str, Any]]:
    return [{"name": "one", "epochs": 1, section: first}, {"name": "two", "epochs": 1, section: second}]


def drop_paths(body: nn.Module) -> list[float]:
    return [module.drop_prob for module in body.modules() if isinstance(module, DropPath)]


@pytest.mark.parametrize("index", [0, 1, 2])
def test_stochastic_depth_of_a_stage_is_that_of_a_network_built_for_it(recipe: Make, opened: Open, index: int) -> None:
    """Less in the later blocks than in the first, as timm has it; 0 and back is possible too."""
    rates = [0.1, 0.0, 0.3]
    stages = [{"name": f"s{rate * 10:.0f}", "model": {"drop_path": rate}} for rate in rates]
    run, _ = opened(recipe("model.name=test_convnext", "run.epochs=3", stages=stages))
    for stage in range(1, index + 1):
        opened(run, stage)
    alone = build(recipe("model.name=test_convnext", f"model.drop_path={rates[index]}").model, 10, 32)
    expected = drop_paths(alone.body) or [0.0] * len(drop_paths(run.network.body))
    assert drop_paths(run.network.body) == pytest.approx(expected)
    assert len(expected) > 2


@pytest.mark.parametrize("head", ["linear", "mlp"])
def test_dropout_before_the_classifier_is_the_stages_own(recipe: Make, opened: Open, head: str) -> None:
    plan = recipe(f"model.head={head}", "model.dropout=0.4", stages=two({}, {"dropout": 0.2}))
    for index, rate in enumerate((0.4, 0.2)):
        classifier = opened(plan, index)[0].network.body.get_submodule("fc")
        if isinstance(classifier, MlpHead):
            found = [module.p for module in classifier if isinstance(module, nn.Dropout)]
            assert found == [rate, rate / 2, rate / 2]
        else:
            assert isinstance(classifier, DropoutLinear)
            assert classifier.dropout == rate


def test_spatial_dropout_and_gradient_checkpointing_are_the_stages_own(recipe: Make, opened: Open) -> None:
    stages = two({"spatial_dropout": 0.1}, {"grad_checkpointing": True})
    for index, (rate, recompute) in enumerate(((0.1, False), (0.0, True))):
        body = opened(recipe("model.name=resnet26", stages=stages), index)[0].network.body
        assert {module.p for module in body.modules() if isinstance(module, nn.Dropout2d)} == {rate}
        assert getattr(body, "grad_checkpointing") is recompute  # noqa: B009


def test_dropout_that_cannot_change_between_stages_is_said_before_anything_is_trained(
    recipe: Make, prepared: Callable[[Recipe], Run]
) -> None:
    plan = recipe("model.name=dla34", stages=two({"dropout": 0.1}, {"dropout": 0.2}))
    with pytest.raises(ConfigurationError, match="model.dropout"):
        prepared(plan)


@pytest.mark.parametrize(
    ("section", "settings"), [("model", {"name": "test_vit"}), ("run", {"precision": "bf16"}), ("run", {"seed": 3})]
)
def test_what_the_whole_run_shares_is_not_a_stages(recipe: Make, section: str, settings: dict[str, Any]) -> None:
    with pytest.raises(RecipeError, match="whole run"):
        recipe(stages=two({}, settings, section))


def test_weights_are_averaged_in_the_stage_that_asks_for_it_and_from_where_it_begins(
    recipe: Make, run: Callable[..., list[Event]], opened: Open
) -> None:
    plan = recipe(stages=two({}, {"ema_decay": 0.9}, "run"))
    epochs = [event for event in run(plan) if isinstance(event, EpochEnded)]
    assert ["ema/accuracy" in epoch.metrics for epoch in epochs] == [False, True]
    prepared, _ = opened(plan)
    with torch.no_grad():
        for parameter in prepared.network.parameters():
            parameter.add_(1.0)  # as if the first stage had trained
    opened(prepared, 1)
    assert prepared.average is not None
    averaged = prepared.average.module.state_dict()
    assert all(torch.equal(value, averaged[name]) for name, value in prepared.network.state_dict().items())


@pytest.mark.parametrize("last", [StageStarted, StepLogged, EpochEnded, CheckpointSaved])
def test_such_a_run_resumes_to_the_same_weights_and_averages(
    recipe: Make, datasets: Path, tmp_path: Path, last: type[Event]
) -> None:
    stages = [
        {"name": "one", "epochs": 1, "model": {"dropout": 0.1}},
        {"name": "two", "epochs": 1, "model": {"dropout": 0.4, "drop_path": 0.2}, "run": {"ema_decay": 0.5}},
    ]
    plan = recipe("model.name=test_convnext", stages=stages)
    list(train(plan, tmp_path / "whole", datasets=datasets))
    for kill in range(2):  # once in the first stage, once in the second
        for event in train(plan, tmp_path / "killed", datasets=datasets):
            if isinstance(event, last) and (kill == 0 or not isinstance(event, StageStarted) or event.index == 1):
                break
    list(train(plan, tmp_path / "killed", datasets=datasets))
    whole, killed = (load(tmp_path / name / LAST) for name in ("whole", "killed"))
    for kind in ("weights", "average"):
        assert all(torch.equal(value, killed[kind][name]) for name, value in whole[kind].items())


def test_a_transformer_is_measured_at_its_largest_images_and_begins_with_its_smallest(
    recipe: Make, prepared: Callable[[Recipe], Run]
) -> None:
    stages = two({"image_size": 32}, {"image_size": 64}, "data")
    run = prepared(recipe("model.name=test_vit3", "run.precision=auto", "run.batch_size=auto", stages=stages))
    assert run.network.body.get_submodule("patch_embed").img_size == (32, 32)
    assert all(isinstance(plan.run.batch_size, int) for plan in run.plans)
