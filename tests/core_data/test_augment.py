"""What happens to a training image: as strong as its level says, and a function of (seed, epoch, index) alone."""

from __future__ import annotations

import dataclasses
import os
import random
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import albumentations as A
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.augment import Augmenter, _build
from core.augmentation_table import page
from core.decode import Pixels
from core.fit import fit
from core.levels import LEVELS, Step, is_random, steps
from core.operations import GROUPS
from recipes.sections import Augment, Level, RandAugment, Resize

ROOT = Path(__file__).parents[2]
EVERYTHING = Augment(
    level=Level.ULTRA_STRONG, vertical_flip=True, randaugment=RandAugment(n=6, m=9, p=0.9), random_erasing=0.5
)


def picture(height: int = 60, width: int = 80) -> Pixels:
    """Smooth in both directions, with a bright corner so that flips and turns show."""
    rows, columns = np.linspace(0, 1, height)[:, None], np.linspace(0, 1, width)[None, :]
    image = np.stack([rows * columns, rows * (1 - columns), (1 - rows) * 0.5 + columns * 0.5], axis=2)
    return (image * 255).astype(np.uint8)


def augmenter(seed: int = 0, size: int = 32, resize: Resize = Resize.CROP, **fields: object) -> Augmenter:
    return Augmenter(Augment.model_validate(fields), size, resize, seed)


@pytest.mark.parametrize("level", list(Level))
@pytest.mark.parametrize("resize", list(Resize))
@pytest.mark.parametrize("shape", [(60, 80), (9, 7), (200, 33)])
def test_every_level_gives_the_square_from_any_shape(level: Level, resize: Resize, shape: tuple[int, int]) -> None:
    augment = augmenter(level=level, resize=resize)
    for index in range(12):
        changed = augment(picture(*shape), 1, index)
        assert (changed.shape, changed.dtype) == ((32, 32, 3), np.uint8)
        assert changed.flags.c_contiguous


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**31 - 1), st.integers(1, 10**5), st.integers(0, 10**6), st.integers(0, 3))
def test_an_image_depends_on_seed_epoch_index_and_repeat_alone(seed: int, epoch: int, index: int, repeat: int) -> None:
    used, fresh = Augmenter(EVERYTHING, 32, Resize.CROP, seed), Augmenter(EVERYTHING, 32, Resize.CROP, seed)
    for other in range(3):
        used(picture(40, 90), epoch, index + 1 + other)
    random.seed(index)
    np.random.seed(epoch)
    assert (used(picture(), epoch, index, repeat) == fresh(picture(), epoch, index, repeat)).all()


def test_seed_epoch_index_and_repeat_each_make_a_difference() -> None:
    augment, other = augmenter(level="medium"), augmenter(level="medium", seed=1)
    images = [
        augment(picture(), 1, 0),
        augment(picture(), 2, 0),
        augment(picture(), 1, 1),
        augment(picture(), 1, 0, 1),
        other(picture(), 1, 0),
    ]
    assert len({image.tobytes() for image in images}) == len(images)


def test_augmentation_takes_nothing_from_the_global_streams_and_leaves_its_input_alone() -> None:
    random.seed(1)
    np.random.seed(1)
    expected = random.random(), np.random.random()
    random.seed(1)
    np.random.seed(1)
    augment, image = Augmenter(EVERYTHING, 32, Resize.CROP, 0), picture()
    for index in range(30):
        augment(image, 1, index)
    assert (random.random(), np.random.random()) == expected
    assert (image == picture()).all()


@pytest.mark.parametrize("resize", list(Resize))
def test_level_none_is_what_evaluation_sees(resize: Resize) -> None:
    augment = augmenter(level="none", resize=resize)
    assert (augment(picture(), 1, 0) == fit(picture(), 32, resize)).all()
    assert not is_random(Augment(level=Level.NONE))


def test_levels_change_more_and_more() -> None:
    still = fit(picture(), 32, Resize.CROP).astype(int)
    changes = []
    for level in Level:
        augment = augmenter(level=level)
        changes.append(np.mean([np.abs(augment(picture(), 1, index) - still).mean() for index in range(300)]))
    assert all(weaker < stronger for weaker, stronger in pairwise(changes)), changes


def test_a_change_is_never_rarer_nor_missing_in_a_stronger_level() -> None:
    for weaker, stronger in pairwise(list(Level)):
        strong = {step.transform: step for step in LEVELS[stronger]}
        for step in LEVELS[weaker]:
            assert strong[step.transform].p >= step.p
    smallest = [LEVELS[level][0].settings["scale"][0] for level in list(Level)[1:]]
    assert smallest == sorted(smallest, reverse=True)


def applied(level: Level, count: int) -> dict[str, float]:
    """How often each transform of a level really ran."""
    augment = augmenter(level=level)
    augment._compose.save_applied_params = True
    seen: dict[str, int] = {}
    for index in range(count):
        augment._reseed(1, index, 0)
        for name, _ in augment._compose(image=picture())["applied_transforms"]:
            seen[name] = seen.get(name, 0) + 1
    return {name: times / count for name, times in seen.items()}


@pytest.mark.parametrize("level", [Level.MEDIUM, Level.ULTRA_STRONG])
def test_changes_happen_as_often_as_the_table_says(level: Level) -> None:
    measured = applied(level, 1200)
    for step in LEVELS[level]:
        names = [choice.transform for choice in step.among] or [step.transform]
        assert abs(sum(measured.get(name, 0.0) for name in names) - step.p) < 0.05, step


def test_flips_are_as_asked() -> None:
    plain = fit(picture(), 32, Resize.CROP)
    upside_down = augmenter(level="none", vertical_flip=True)
    seen = {upside_down(picture(), 1, index).tobytes() for index in range(40)}
    assert seen == {plain.tobytes(), plain[::-1].tobytes()}
    assert is_random(Augment(level=Level.NONE, vertical_flip=True))
    turned = augmenter(level="light", horizontal_flip=False)
    bright = [int(turned(picture(), 1, index)[-8:, :, 0].mean(0).argmax()) for index in range(60)]
    assert min(bright) > 16  # the bright corner stays on the right


def test_rotation_and_affine_are_as_asked_at_any_level() -> None:
    for level in Level:
        turns = [step for step in steps(Augment(level=level, rotation=12, affine=True)) if step.transform == "Rotate"]
        assert [dict(step.settings) for step in turns] == [{"limit": (-12, 12)}]
        assert [step.transform for step in steps(Augment(level=level, affine=True))].count("Affine") == 1
    plain = fit(picture(), 32, Resize.CROP)
    for change, often in (({"rotation": 30.0}, 0.5), ({"affine": True}, 0.3)):
        changing = augmenter(level="none", **change)
        changed = np.mean([(changing(picture(), 1, index) != plain).any() for index in range(600)])
        assert abs(changed - often) < 0.07
        assert is_random(Augment.model_validate({"level": "none", **change}))


@pytest.mark.parametrize("level", [Level.STRONG, Level.ULTRA_STRONG])
def test_turning_and_shifting_leave_no_black_corners(level: Level) -> None:
    white = np.full((32, 32, 3), 255, dtype=np.uint8)
    for step in LEVELS[level]:
        if step.transform in {"Rotate", "Affine", "Perspective"}:
            change = A.Compose([_build(dataclasses.replace(step, p=1.0), 32)], seed=0)
            assert all((change(image=white)["image"] == 255).all() for _ in range(10)), step


def test_random_erasing_happens_as_often_as_asked_and_only_in_a_rectangle() -> None:
    plain = fit(picture(), 32, Resize.CROP).astype(int)
    augment = augmenter(level="none", random_erasing=0.4)
    masks = [(augment(picture(), 1, index) != plain).any(2) for index in range(500)]
    erased = [mask for mask in masks if mask.any()]
    assert abs(len(erased) / len(masks) - 0.4) < 0.07
    for mask in erased:
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        area = (rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1)
        assert area <= 0.4 * mask.size
        assert mask.sum() > 0.9 * area


def test_each_group_of_randaugment_is_applied_with_its_probability() -> None:
    augment = augmenter(level="none", randaugment={"n": 2, "m": 9, "p": 0.3})
    augment._compose.save_applied_params = True
    groups = {id(group): 0 for group in augment._compose.transforms}
    assert len(groups) == len(GROUPS) == 3
    for group in augment._compose.transforms:
        assert (group.p, group.n) == (0.3, 2)
        assert isinstance(group, A.RandomOrder)
    plain = fit(picture(), 32, Resize.CROP)
    same = np.mean([(augment(picture(), 1, index) == plain).all() for index in range(1500)])
    assert abs(same - 0.7**3) < 0.05


@pytest.mark.parametrize("magnitude", [0, 5, 10])
def test_every_operation_of_randaugment_can_run_at_any_magnitude(magnitude: float) -> None:
    augment = augmenter(level="none", randaugment={"n": 6, "m": magnitude, "p": 1.0}, size=48)
    for index in range(40):
        assert augment(picture(), 1, index).shape == (48, 48, 3)


def test_magnitude_scales_every_operation() -> None:
    for group in GROUPS.values():
        assert len(group) >= 6  # n may be 6
        for operation in group:
            if operation.largest:
                assert operation.at(1.0) != operation.at(0.2), operation.name
    plain = fit(picture(), 32, Resize.CROP).astype(int)
    changes = []
    for magnitude in (1, 5, 10):
        augment = augmenter(level="none", randaugment={"n": 2, "m": magnitude, "p": 1.0})
        changes.append(np.mean([np.abs(augment(picture(), 1, index) - plain).mean() for index in range(200)]))
    assert changes == sorted(changes)


def test_a_signed_operation_goes_both_ways() -> None:
    turn = next(operation for operation in GROUPS["geometric"] if operation.name.startswith("rotate"))
    assert [dict(step.settings) for step in turn.at(0.5)] == [{"rotate": (15, 15)}, {"rotate": (-15, -15)}]
    assert all(isinstance(step, Step) for step in turn.at(1))


def test_the_page_about_augmentation_is_what_the_code_does() -> None:
    shown = (ROOT / "docs" / "augmentation.md").read_text(encoding="utf-8")
    assert shown == page(), "run: python -m core.augmentation_table > docs/augmentation.md"


def test_importing_albumentations_asks_no_server_and_warns_of_nothing() -> None:
    program = (
        "import socket, urllib.request\n"
        "def refuse(*_, **__): raise SystemExit('a connection was opened')\n"
        "socket.create_connection = urllib.request.urlopen = refuse\n"
        "import core.augment"
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith("NO_ALBUMENTATIONS")}
    shown = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", program], capture_output=True, text=True, env=environment
    )
    assert (shown.returncode, shown.stderr) == (0, "")
