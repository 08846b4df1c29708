"""Every switch of a recipe reaches the training: a run with it ends with other weights than the same run without."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from core.checkpoint import load
from core.events import CheckpointSaved, EpochEnded
from core.train import train
from recipes.recipe import Recipe
from recipes.sources import SOURCES

Make = Callable[..., Recipe]

# 45 digits of 10 classes: five classes have one image more, so that balancing has something to balance.
PLAIN = ("data.samples=45", "run.epochs=1", "optim.name=sgd", "optim.lr=0.05", "schedule.name=constant")

# A setting, and what must stand beside it for a difference to be seen. Without an entry: PLAIN alone.
SWITCHES: dict[str, tuple[str, ...]] = {
    "model.head=mlp": (),
    "model.dropout=0.5": (),
    "model.drop_path=0.5": (),
    "model.spatial_dropout=0.5": (),
    "augment.level=none": (),
    "augment.level=medium": (),
    "augment.level=strong": (),
    "augment.level=ultra_strong": (),
    "augment.horizontal_flip=true": (),
    "augment.vertical_flip=true": (),
    "augment.rotation=30": (),
    "augment.affine=true": (),
    "augment.randaugment={n=2,m=9,p=0.9}": (),
    "augment.randaugment.n=1": ("augment.randaugment={n=2,m=9,p=0.9}",),
    "augment.randaugment.m=1": ("augment.randaugment={n=2,m=9,p=0.9}",),
    "augment.randaugment.p=0.1": ("augment.randaugment={n=2,m=9,p=0.9}",),
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
    "data.image_size=40": (),
    "data.splits=[0.5,0.3,0.2]": (),
    "data.samples=30": (),
    "optim.lr=0.01": (),
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
    "schedule.step_epochs=0.6": ("schedule.name=step", "schedule.step_epochs=0.3"),
    "schedule.name=multistep": (),
    "schedule.warmup_epochs=0.9": (),
    "schedule.warmup_start_factor=0.5": ("schedule.warmup_epochs=0.9",),
    "schedule.min_lr=0.01": ("schedule.name=cosine",),
    "schedule.gamma=0.5": ("schedule.name=multistep",),
    "schedule.milestones=[0.3]": ("schedule.name=multistep",),
    "run.batch_size=8": (),
    "run.accumulation=2": (),  # BatchNorm sees the parts
    "run.precision=bf16": (),
    "run.seed=1": (),
}

EARLY = "core/test_stages.py::test_early_stopping_watches_its_metric_with_patience_and_a_least_change"
# Every other field, and the test that would fail if it did nothing.
ELSEWHERE = {
    "data.source": "core_data/test_manifest.py::test_class_folders_are_split_by_the_shares",
    "data.class_weights": "core/test_techniques.py::test_a_file_of_class_weights_changes_what_is_learnt",
    "data.train_fraction": "core_data/test_manifest.py::"
    "test_train_fraction_takes_the_same_share_of_every_class_and_leaves_evaluation_alone",
    "data.workers": "core_data/test_loader.py::test_closing_ends_the_workers",
    "model.name": "core/test_models.py::test_every_short_name_builds_at_its_sizes_without_memory_for_its_weights",
    "model.pretrained": "core/test_published.py::test_weights_arrive_with_progress_and_are_loaded",
    "model.weights": "core/test_models.py::test_local_weights_fill_everything_but_a_classifier_of_another_size",
    "model.init_from": "core/test_step.py::test_a_run_starts_from_anothers_weights_and_names_what_did_not_fit",
    "model.grad_checkpointing": "core/test_models.py::test_gradient_checkpointing_passes_through_the_network_twice",
    "schedule.plateau_patience": "core/test_stages.py::test_plateau_drops_the_rate_when_validation_gets_no_better",
    "run.epochs": "recipes/test_stages.py::test_epochs_always_add_up_and_no_stage_is_empty",
    "run.channels_last": "core/test_compile.py::test_the_weights_are_channels_last_when_asked",
    "run.compile": "core/test_compile.py::test_the_network_is_compiled_when_asked_and_keeps_its_names",
    "run.deterministic": "core/test_compile.py::test_kernels_are_repeatable_when_asked",
    "run.ema_decay": "core/test_step.py::test_averaged_weights_follow_the_formula_with_its_warm_up",
    "run.early_stopping": "core/test_train.py::test_early_stopping_ends_the_stage_and_then_the_run",
    "run.early_stopping.metric": EARLY,
    "run.early_stopping.patience": EARLY,
    "run.early_stopping.min_delta": EARLY,
    "run.select": "core/test_stages.py::test_the_final_model_is_the_best_by_the_metric_that_selects",
    "run.checkpoint_every": "core/test_techniques.py::test_a_run_is_saved_within_an_epoch_as_often_as_asked",
    "run.max_time": "core/test_faults.py::test_max_time_cuts_the_schedule_and_still_ends_with_a_tested_model",
    "run.stall_timeout": "jobs/test_crashes.py::test_a_stalled_run_leaves_its_stacks_in_the_log_and_ends",
    "run.device": "core/test_precision.py::test_a_device_that_is_not_there_is_refused_naming_what_is",
    "memory.empty_cache_every": "core/test_discipline.py::test_the_cache_is_emptied_in_the_rhythm_asked_for",
    "memory.empty_cache_every_eval": "core/test_discipline.py::test_the_cache_is_emptied_in_the_rhythm_asked_for",
    "stages.name": "recipes/test_stages.py::test_two_stage_keeps_its_proportion",
    "stages.epochs": "recipes/test_stages.py::test_a_multiple_of_the_parts_is_shared_exactly",
    "stages.freeze": "core/test_stages.py::test_a_frozen_stage_moves_only_the_classifier",
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


def test_every_field_of_a_recipe_has_a_test_that_fails_when_it_does_nothing() -> None:
    """Of what a recipe may say, nothing stands there for show: a field that is added brings its test along."""
    switched = {setting.partition("=")[0] for setting in SWITCHES}
    assert switched | ELSEWHERE.keys() >= SOURCES.keys() - {"augment.randaugment"}
    assert (switched | ELSEWHERE.keys()) - SOURCES.keys() == set()
    assert switched & ELSEWHERE.keys() == set()
    for named in ELSEWHERE.values():
        file, _, test = named.partition("::")
        assert f"def {test}(" in (Path(__file__).parents[1] / file).read_text(encoding="utf-8"), named


def test_a_file_of_class_weights_changes_what_is_learnt(recipe: Make, datasets: Path, tmp_path: Path) -> None:
    file = tmp_path / "weights.csv"
    file.write_text("class,weight\n" + "".join(f"{digit},{1 + digit}\n" for digit in range(10)))
    plain, weighted = (
        learnt(recipe(*PLAIN, *more), tmp_path / name, datasets)
        for name, more in (("plain", ()), ("weighted", (f"data.class_weights={file}",)))
    )
    assert not torch.equal(plain["fc.weight"], weighted["fc.weight"])


@pytest.mark.parametrize(("seconds", "steps"), [(0, [0, 3, 6]), (1e-9, [0, 1, 2, 3, 4, 5, 6])])
def test_a_run_is_saved_within_an_epoch_as_often_as_asked(
    seconds: float, steps: list[int], recipe: Make, datasets: Path, tmp_path: Path
) -> None:
    events = train(recipe(f"run.checkpoint_every={seconds}"), tmp_path / "run", datasets=datasets)
    saved = {event.step for event in events if isinstance(event, CheckpointSaved) and event.kind == "last"}
    assert sorted(saved) == steps
