"""The whole engine on accelerators that are not there: no tensor of the host in their work, nothing that waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any

import pytest
import torch

from core.ema import build_average
from core.events import EpochEnded, Event, Outcome, RunFinished, result_of
from core.fits import table
from core.losses import Criterion
from core.lr_find import find_rate
from core.models import build
from core.optim import build_optimizer
from core.precision import Numbers
from core.step import Learner, take_step
from core.train import train
from recipes.recipe import Recipe
from recipes.sections import Augment, Loss, LossName, Model, Optim
from tests.core.pretended import Machine, pretended

Make = Callable[..., Recipe]
MIXED = Augment(mixup_alpha=1.0, cutmix_alpha=1.0, mix_probability=1.0)
RUNS: tuple[tuple[str, ...], ...] = (
    ("run.ema_decay=0.9", "augment.mixup_alpha=0.2", "data.balance=weights", "loss.name=focal"),
    ("run.precision=fp16", "run.channels_last=true", "loss.name=bce", "loss.bce_pos_weight=2", "run.accumulation=2"),
    ("run.precision=bf16", "model.name=test_vit", "data.balance=logit_adjust", "model.head=mlp", "optim.name=lamb"),
    ("run.precision=auto", "run.channels_last=auto", "run.batch_size=auto"),
)


@pytest.fixture(params=["cuda", "mps"])
def machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    with pretended(request.param, monkeypatch) as found:
        yield found


def learner(machine: Machine, precision: str, loss: LossName, optimizer: str) -> Learner:
    network = build(Model(name="test_resnet", pretrained=False, dropout=0.2), 12, 32).to(machine.device).train()
    numbers, weights = Numbers(precision, False), torch.ones(12, device=machine.device)
    return Learner(
        network=network,
        average=build_average(network, 0.9),
        optimizer=build_optimizer(Optim(name=optimizer), network.body),
        criterion=Criterion(Loss(name=loss, label_smoothing=0.1), 12, weights),
        numbers=numbers,
        scaler=numbers.scaler(machine.device),
        device=machine.device,
        clip_grad_norm=1.0,
        micro_batch=4,
        seed=0,
    )


def waits_of_a_step(machine: Machine, one: Learner) -> list[str]:
    """What made the host wait in the second step of two."""
    images = torch.randint(0, 256, (8, 3, 32, 32), dtype=torch.uint8, device=machine.device)
    labels = torch.zeros(8, dtype=torch.int64, device=machine.device)
    for step in range(2):
        machine.waits.clear()
        take_step(one, images, labels, MIXED, step)
    return machine.waits


@pytest.mark.parametrize("loss", list(LossName))
def test_no_step_waits_for_the_device(machine: Machine, loss: LossName) -> None:
    optimizer = {LossName.FOCAL: "sgd", LossName.BCE: "lion"}.get(loss, "adamw")
    assert waits_of_a_step(machine, learner(machine, "fp32", loss, optimizer)) == []


def test_with_fp16_only_the_loss_scaler_waits(machine: Machine) -> None:
    asked = waits_of_a_step(machine, learner(machine, "fp16", LossName.CROSS_ENTROPY, "lamb"))
    assert asked == ["aten._local_scalar_dense.default"]


@pytest.mark.parametrize("settings", RUNS, ids=lambda settings: settings[0])
def test_a_run_that_is_stopped_and_taken_up_trains_on_the_device(
    machine: Machine, recipe: Make, datasets: Path, tmp_path: Path, settings: tuple[str, ...]
) -> None:
    plan = recipe("run.epochs=1", f"run.device={machine.device.type}", *settings)
    ended = trained(plan, datasets, tmp_path, stop=after(2)) + trained(plan, datasets, tmp_path)
    assert [event.outcome for event in ended if isinstance(event, RunFinished)] == [Outcome.STOPPED, Outcome.COMPLETED]
    assert torch.ops.aten.convolution.default in machine.seen


def test_kept_features_and_a_larger_second_stage_stay_on_the_device(
    machine: Machine, recipe: Make, datasets: Path, tmp_path: Path
) -> None:
    frozen = {"name": "frozen", "epochs": 1, "freeze": "backbone", "augment": {"level": "none"}}
    plan = recipe(
        "model.name=test_vit", f"run.device={machine.device.type}",
        stages=[frozen, {"name": "larger", "epochs": 1, "data": {"image_size": 64}}],
    )  # fmt: skip
    stages = [event.stage for event in trained(plan, datasets, tmp_path) if isinstance(event, EpochEnded)]
    assert stages == ["frozen", "larger"]


def test_the_rate_test_and_the_memory_table_work_on_the_device(machine: Machine, recipe: Make, datasets: Path) -> None:
    plan = recipe(f"run.device={machine.device.type}", "data.balance=weights")
    assert len(result_of(find_rate(plan, datasets=datasets, steps=3)).rates) == 3
    assert [row.batch for row in islice(table(plan, 10), 1)] == [1]


def trained(plan: Recipe, datasets: Path, folder: Path, **options: Any) -> list[Event]:
    return list(train(plan, folder / "run", datasets=datasets, **options))


def after(questions: int) -> Callable[[], bool]:
    asked = count()
    return lambda: next(asked) >= questions
