"""Stages share the epochs of a run."""

from hypothesis import given
from hypothesis import strategies as st

from recipes import find
from recipes.recipe import share_epochs

weights = st.lists(st.integers(1, 1000), min_size=1, max_size=8)


@given(weights, st.integers(0, 5000))
def test_epochs_always_add_up_and_no_stage_is_empty(parts: list[int], extra: int) -> None:
    total = len(parts) + extra
    shares = share_epochs(parts, total)
    assert sum(shares) == total
    assert min(shares) >= 1


@given(weights, st.integers(1, 20))
def test_a_multiple_of_the_parts_is_shared_exactly(parts: list[int], factor: int) -> None:
    assert share_epochs(parts, sum(parts) * factor) == [part * factor for part in parts]


@given(weights, st.integers(0, 5000))
def test_no_share_is_a_whole_epoch_off_unless_it_was_raised_to_one(parts: list[int], extra: int) -> None:
    total = len(parts) + extra
    exact = [total * part / sum(parts) for part in parts]
    if min(exact) >= 1:
        assert all(abs(share - value) < 1 for share, value in zip(share_epochs(parts, total), exact, strict=True))


def test_two_stage_keeps_its_proportion() -> None:
    def split(epochs: int) -> list[int]:
        return [plan.epochs for plan in find.load("two_stage", overrides={"run": {"epochs": epochs}}).plan()]

    assert split(110) == [10, 100]
    assert split(11) == [1, 10]
    assert split(2) == [1, 1]
