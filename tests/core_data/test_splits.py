"""Splits are disjoint, complete, stratified within one image, and depend on names and seed alone."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from core.folders import Classes, ImageFile
from core.splits import SPLITS, apportion, complete, fraction, shuffled, spread


@st.composite
def shares(draw: Callable[..., int]) -> tuple[float, ...]:
    parts = [draw(st.integers(1, 50)), draw(st.integers(1, 50)), draw(st.integers(0, 50))]
    return tuple(part / sum(parts) for part in parts)


sizes = st.dictionaries(st.text("abcdefgh", min_size=1, max_size=3), st.integers(2, 90), min_size=2, max_size=6)


def listing(counts: dict[str, int]) -> Classes:
    return {
        name: [ImageFile(f"{name}/{number}.jpg", f"{number}.jpg", 1) for number in range(count)]
        for name, count in counts.items()
    }


@given(st.integers(2, 2000), shares())
def test_shares_add_up_and_are_less_than_one_image_off(count: int, wanted: tuple[float, ...]) -> None:
    parts = apportion(count, wanted)
    assert sum(parts) == count
    assert within_one(parts, count, wanted)


def within_one(parts: Sequence[int], count: int, wanted: Sequence[float]) -> bool:
    """Less than one image off; where a share is worth less than one image, training and validation still get one."""
    exact = [count * share for share in wanted]
    if min(exact[:2]) >= 1 - 1e-9:
        return all(abs(part - share) < 1 for part, share in zip(parts, exact, strict=True))
    return all(1 <= part <= max(1, share + 1) for part, share in zip(parts[:2], exact, strict=False))


@given(sizes, shares(), st.integers(0, 99))
def test_splits_are_disjoint_complete_and_stratified(
    counts: dict[str, int], wanted: tuple[float, ...], seed: int
) -> None:
    splits = complete({"": listing(counts)}, wanted, seed)
    for name, count in counts.items():
        parts = [[image.path for image in splits[split][name]] for split in SPLITS]
        assert sorted(itertools.chain(*parts)) == sorted(image.path for image in listing(counts)[name])
        assert within_one([len(part) for part in parts], count, wanted)


@given(sizes, st.integers(0, 99), st.randoms())
def test_the_order_of_a_listing_changes_nothing(counts: dict[str, int], seed: int, chance: random.Random) -> None:
    plain = listing(counts)
    mixed = {
        name: chance.sample(images, len(images)) for name, images in chance.sample(sorted(plain.items()), len(plain))
    }
    wanted = (0.7, 0.15, 0.15)
    assert complete({"": plain}, wanted, seed) == complete({"": mixed}, wanted, seed)


@given(sizes, st.integers(0, 99))
def test_a_new_class_moves_no_image_of_the_others(counts: dict[str, int], seed: int) -> None:
    wanted = (0.6, 0.2, 0.2)
    before = complete({"": listing(counts)}, wanted, seed)
    after = complete({"": listing({**counts, "newcomer": 7})}, wanted, seed)
    assert all(before[split][name] == after[split][name] for split in SPLITS for name in counts)


@given(sizes, st.floats(0.01, 1.0))
def test_a_fraction_is_a_prefix_of_the_drawn_order_with_every_class(counts: dict[str, int], share: float) -> None:
    drawn = {name: shuffled(images, 0, name) for name, images in listing(counts).items()}
    for name, kept in fraction(drawn, share).items():
        assert kept == drawn[name][: len(kept)]
        assert len(kept) >= 1
        assert abs(len(kept) - counts[name] * share) <= 1


@settings(deadline=None)
@given(sizes, st.integers(2, 400))
def test_a_spread_takes_as_many_as_it_may_and_evenly(counts: dict[str, int], limit: int) -> None:
    kept = {name: len(images) for name, images in spread(listing(counts), limit, 0).items()}
    assert sum(kept.values()) == min(limit, sum(counts.values()))
    short = [name for name in counts if kept[name] < counts[name]]  # these could have given more
    assert all(kept[other] - kept[name] <= 1 for name in short for other in counts)
    if limit >= len(counts):
        assert min(kept.values()) >= 1
