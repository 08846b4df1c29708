"""Every switch of a recipe reaches the training: a run with it ends with other weights than the same run without."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from core.checkpoint import load
from core.events import EpochEnded
from core.train import train
from recipes.recipe import Recipe

Make = Callable[..., Recipe]

# 45 digits of 10 classes: five classes have one image more, so that balancing has something to balance.
PLAIN = ("data.samples=45", "run.epochs=1", "optim.name=sgd", "optim.lr=0.05", "schedule.name=constant")

# A setting, and what must stand beside it for a difference to be seen. Without an entry: PLAIN alone.
SWITCHES: dict[str, tuple[str, ...]] = {
    "model.head=mlp": (),
    "model.dropout=0.5": (),
    "model.drop_path=0.5": (),
    "augment.level=none": (),
    "augment.level=medium": (),
    "augment.level=strong": (),
    "augment.level=ultra_strong": (),
    "augment.horizontal_flip=true": (),
    "augment.vertical_flip=true": (),
    "augment.rotation=30": (),
    "augment.affine=true": (),
    "augment.randaugment={n=2,m=9,p=0.9}": (),
    "augment.random_erasing=0.9": (),
    "augment.mixup_alpha=1.0": (),
    "augment.cutmix_alpha=1.0": (),
    "augment.mix_probability=0.3": ("augment.mixup_alpha=1.0",),
    "augment.cutmix_share=0.0": ("augment.mixup_alpha=1.0", "augment.cutmix_alpha=1.0"),
    "augment.mix_off_epochs=1": ("augment.mixup_alpha=1.0",),
    "loss.name=focal": (),
    "loss.name=bce": (),
    "loss.focal_gamma=1.0": ("loss.name=focal",),
    "loss.focal_alpha=0.5": ("loss.name=focal", "optim.clip_grad_norm=0"),
    "loss.bce_pos_weight=4.0": ("loss.name=bce",),
    "loss.label_smoothing=0.2": (),
    "data.balance=weights": (),
    "data.balance=sqrt": (),
    "data.balance=sampler": (),
    "data.balance=logit_adjust": (),
    "data.resize=crop": (),
    "optim.name=adam": (),
    "optim.name=adamw": (),
    "optim.name=lamb": (),
    "optim.name=lion": (),
    "optim.weight_decay=0.5": (),
    "optim.momentum=0.5": (),
    "optim.nesterov=false": (),
    "optim.layer_decay=0.5": (),
    "optim.clip_grad_norm=0.01": (),
    "schedule.name=cosine": (),
    "schedule.name=onecycle": (),
    "schedule.name=step": ("schedule.step_epochs=0.3",),
    "schedule.name=multistep": (),
    "schedule.warmup_epochs=0.9": (),
    "schedule.warmup_start_factor=0.5": ("schedule.warmup_epochs=0.9",),
    "schedule.min_lr=0.01": ("schedule.name=cosine",),
    "schedule.gamma=0.5": ("schedule.name=multistep",),
    "schedule.milestones=[0.3]": ("schedule.name=multistep",),
    "run.accumulation=2": (),  # BatchNorm sees the parts
    "run.precision=bf16": (),
    "run.seed=1": (),
}


Weights = dict[str, Tensor]


@pytest.fixture(scope="module")
def known() -> dict[Recipe, Weights]:
    """Runs of this module by their recipe: most switches are compared with the same plain one."""
    return {}


def learnt(recipe: Recipe, folder: Path, datasets: Path) -> Weights:
    """The weights after the first epoch."""
    for event in train(recipe, folder, datasets=datasets):
        if isinstance(event, EpochEnded):
            break
    weights: Weights = load(folder / "best_accuracy.pt")["weights"]
    return weights


@pytest.mark.parametrize("switch", SWITCHES)
def test_a_switch_changes_what_is_learnt(
    switch: str, recipe: Make, datasets: Path, tmp_path: Path, known: dict[Recipe, Weights]
) -> None:
    beside = recipe(*PLAIN, *SWITCHES[switch])
    if beside not in known:
        known[beside] = learnt(beside, tmp_path / "without", datasets)
    changed, plain = learnt(recipe(*PLAIN, *SWITCHES[switch], switch), tmp_path / "with", datasets), known[beside]
    shared = [name for name in plain if name in changed and plain[name].is_floating_point()]
    assert any(not torch.equal(changed[name], plain[name]) for name in shared)
