"""The shipped recipes hold the numbers of their cards, and what they switch on is in every stage's plan."""

from __future__ import annotations

from typing import Any

import pytest

from recipes import find
from recipes.recipe import StagePlan

# recipe -> the numbers of its card, as "section.key" of every stage (run.epochs: of the whole run)
CARDS: dict[str, dict[str, Any]] = {
    "baseline_b0": {
        "model.name": "efficientnet_b0", "data.image_size": 224, "run.batch_size": 24, "run.epochs": 50,
    },
    "resnet18_transfer": {
        "model.name": "resnet18", "data.image_size": 224, "run.batch_size": 32, "run.epochs": 30,
        "optim.name": "adam", "optim.lr": 1e-3, "optim.weight_decay": 1e-4, "schedule.name": "cosine",
        "model.head": "mlp", "model.dropout": 0.5, "model.pretrained": True, "run.early_stopping.patience": 10,
        "data.splits": (0.70, 0.15, 0.15),
        "augment.horizontal_flip": True, "augment.vertical_flip": True, "augment.rotation": 30, "augment.affine": True,
    },
    "imagenet_phase1": {
        "model.name": "resnet50", "data.image_size": 128, "optim.name": "adam", "optim.lr": 1e-3,
        "schedule.name": "onecycle", "data.train_fraction": 0.2,
    },
    "imagenet_phase2": {
        "model.name": "resnet50", "data.image_size": 224, "run.batch_size": 32, "run.epochs": 50,
        "optim.name": "adamw", "optim.lr": 1e-4, "schedule.name": "cosine",
        "model.dropout": 0.02, "model.spatial_dropout": 0.02, "model.init_from": "imagenet_phase1",
        "augment.mixup_alpha": 0.2, "augment.cutmix_alpha": 1.0, "augment.mix_probability": 1.0,
        "augment.randaugment.n": 2, "augment.randaugment.m": 9, "augment.randaugment.p": 0.3,
        "data.train_fraction": 1.0,
    },
    "convnext_tiny_quick": {
        "model.name": "convnext_tiny", "run.epochs": 5, "loss.name": "focal", "augment.level": "medium",
        "loss.focal_alpha": 0.25, "loss.focal_gamma": 2.0,
    },
    "convnext_base_focal": {
        "model.name": "convnext_base", "run.epochs": 50, "loss.name": "focal", "augment.level": "ultra_strong",
    },
    "high_performance": {
        "model.name": "efficientnetv2_l", "data.image_size": 600, "loss.name": "focal",
        "augment.level": "ultra_strong", "run.epochs": 100, "run.early_stopping.patience": 10,
        "loss.label_smoothing": 0.1,
    },
}  # fmt: skip


def read(holder: Any, path: str) -> Any:
    for key in path.split("."):
        holder = getattr(holder, key)
    return holder


@pytest.mark.parametrize(("name", "field"), [(name, field) for name, card in CARDS.items() for field in card])
def test_a_recipe_holds_the_numbers_of_its_card(name: str, field: str) -> None:
    recipe, expected = find.load(name), CARDS[name][field]
    assert read(recipe, field) == expected
    section = field.partition(".")[0]
    if section in StagePlan.model_fields and field != "run.epochs":
        assert all(read(plan, field) == expected for plan in recipe.plan())


def test_high_performance_averages_its_weights() -> None:
    assert find.load("high_performance").run.ema_decay > 0.99


def test_resnet18_transfer_jitters_colours_and_has_a_fast_mode() -> None:
    from core.levels import steps

    recipe = find.load("resnet18_transfer", overrides={"run": {"epochs": 10}})
    kinds = {step.transform for step in steps(recipe.augment)}
    assert {"HorizontalFlip", "VerticalFlip", "Rotate", "ColorJitter", "Affine"} <= kinds
    assert [plan.epochs for plan in recipe.plan()] == [10]
