"""The learning-rate range test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core.lr_find import RangeTest, find_rate, steepest
from recipes.recipe import Recipe


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


def test_the_steepest_fall_before_the_lowest_point_is_chosen() -> None:
    rates = [1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0]
    assert steepest(rates, [2.3, 2.3, 2.0, 1.0, 0.9, 5.0]) == 1e-3
    assert steepest(rates, [1.0, 1.1, 1.2, 1.3, 1.4, 1.5]) is None
