"""A finished job goes on for more epochs."""

from hypothesis import given
from hypothesis import strategies as st

from jobs.extend import longer
from recipes import find


@given(st.integers(2, 300), st.integers(1, 300))
def test_only_the_last_stage_grows(epochs: int, more: int) -> None:
    recipe = find.load("two_stage", overrides={"run": {"epochs": epochs}})
    before = [plan.epochs for plan in recipe.plan()]
    after = [plan.epochs for plan in longer(recipe, epochs + more, 1).plan()]
    assert after == [*before[:-1], before[-1] + more]


def test_a_recipe_without_stages_grows_as_a_whole() -> None:
    recipe = find.load("demo")
    assert [plan.epochs for plan in longer(recipe, 40, 1).plan()] == [40]
