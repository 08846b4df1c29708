"""The learning-rate range test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.checkpoint import save
from core.lr_find import RangeTest, find_rate, steepest
from core.models import build
from recipes.recipe import Recipe

Make = Callable[..., Recipe]


def test_the_rates_grow_geometrically_and_the_suggestion_lies_among_them(
    recipe: Callable[..., Recipe], datasets: Path
) -> None:
    test = find_rate(recipe("run.batch_size=8"), datasets=datasets, steps=25, lowest=1e-5, highest=1.0)
    while True:
        try:
            next(test)
        except StopIteration as ended:
            found = ended.value
            break
    assert isinstance(found, RangeTest)
    assert len(found.rates) == len(found.losses) > 10
    ratios = [after / before for before, after in zip(found.rates, found.rates[1:], strict=False)]
    assert ratios == pytest.approx([ratios[0]] * len(ratios))
    assert found.suggestion in found.rates


def found_by(recipe: Recipe, datasets: Path, **options: Any) -> RangeTest:
    test = find_rate(recipe, datasets=datasets, steps=12, lowest=1e-4, **options)
    while True:
        try:
            next(test)
        except StopIteration as ended:
            found: RangeTest = ended.value
            return found


@pytest.mark.parametrize(
    "setting",
    ["data.balance=weights", "data.balance=logit_adjust", "loss.name=focal", "augment.mixup_alpha=1.0"],
)
def test_the_test_minimises_what_the_recipe_does(setting: str, recipe: Make, datasets: Path) -> None:
    plain = found_by(recipe("data.samples=45"), datasets)
    assert found_by(recipe("data.samples=45", setting), datasets).losses != plain.losses


def test_a_frozen_stage_is_tested_frozen_and_from_the_weights_it_starts_from(
    recipe: Make, datasets: Path, tmp_path: Path
) -> None:
    whole, frozen = recipe(), recipe(stages=[{"name": "head", "epochs": 2, "freeze": "backbone"}])
    plain = found_by(frozen, datasets)
    assert plain.losses != found_by(whole, datasets).losses
    save({"weights": build(whole.model, 10, 32).body.state_dict()}, tmp_path / "x.pt")
    assert found_by(frozen, datasets, init_from=tmp_path / "x.pt").losses != plain.losses


def test_of_several_stages_the_last_one_is_tested(recipe: Make, datasets: Path) -> None:
    stages = [{"name": "head", "epochs": 1, "freeze": "backbone"}, {"name": "rest", "epochs": 1}]
    assert found_by(recipe(stages=stages), datasets).losses == found_by(recipe(), datasets).losses


def test_the_rates_tried_are_the_tests_own_and_not_the_recipes(recipe: Make, datasets: Path) -> None:
    one, other = (found_by(recipe(f"optim.lr={lr}"), datasets) for lr in (1e-3, 1e-1))
    assert one.losses == other.losses
    assert found_by(recipe(), datasets, highest=1e-3).losses != one.losses


def test_an_automatic_batch_size_needs_no_measuring(recipe: Make, datasets: Path) -> None:
    assert len(found_by(recipe("run.batch_size=auto"), datasets).rates) >= 3


def test_the_steepest_fall_before_the_lowest_point_is_chosen() -> None:
    rates = [1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0]
    assert steepest(rates, [2.3, 2.3, 2.0, 1.0, 0.9, 5.0]) == 1e-3
    assert steepest(rates, [1.0, 1.1, 1.2, 1.3, 1.4, 1.5]) is None


def test_a_loss_that_falls_by_chance_before_anything_is_learnt_suggests_nothing_of_it() -> None:
    """100 steps over 7 decades, noise at the start and on the way, and a real fall around 1e-2."""
    rates = [1e-7 * 10 ** (7 * step / 99) for step in range(100)]
    learnt = [2.3 - 1.2 / (1 + (1e-2 / rate) ** 2) + 8 * rate**2 for rate in rates]
    chance = {0: 0.9, 1: 0.1, 2: -0.4, 3: 0.5, 4: -0.6, 40: 0.15, 41: -0.15}
    suggestion = steepest(rates, [loss + chance.get(step, 0.0) for step, loss in enumerate(learnt)])
    assert suggestion is not None
    assert 3e-3 < suggestion < 3e-2
