"""How the network computes is as the recipe asks: compiled, channels_last, with repeatable kernels."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from core.prepare import prepare
from core.run import Run
from recipes.recipe import Recipe


def prepared(recipe: Recipe, folder: Path, datasets: Path) -> Run:
    work = prepare(recipe, folder, datasets=datasets, init_from=None)
    while True:
        try:
            next(work)
        except StopIteration as end:
            run: Run = end.value
            return run


@pytest.mark.parametrize("wanted", [True, False])
def test_the_network_is_compiled_when_asked_and_keeps_its_names(
    wanted: bool, recipe: Callable[..., Recipe], datasets: Path, tmp_path: Path
) -> None:
    chosen = recipe(f"run.compile={str(wanted).lower()}")
    run = prepared(chosen, tmp_path, datasets)
    assert (run.network.body._compiled_call_impl is not None) is wanted
    assert not any("_orig_mod" in name for name in run.network.body.state_dict())


@pytest.mark.parametrize("wanted", [True, False])
def test_the_weights_are_channels_last_when_asked(
    wanted: bool, recipe: Callable[..., Recipe], datasets: Path, tmp_path: Path
) -> None:
    run = prepared(recipe(f"run.channels_last={str(wanted).lower()}"), tmp_path, datasets)
    kernels = [value for value in run.network.parameters() if value.ndim == 4 and min(value.shape[1:]) > 1]
    assert kernels
    assert all(value.is_contiguous(memory_format=torch.channels_last) is wanted for value in kernels)
    images = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
    normal = run.network.normalize(images, run.numbers.channels_last)
    assert normal.is_contiguous(memory_format=torch.channels_last) is wanted


@pytest.mark.parametrize("wanted", [True, False])
def test_kernels_are_repeatable_when_asked(
    wanted: bool, recipe: Callable[..., Recipe], datasets: Path, tmp_path: Path
) -> None:
    prepared(recipe(f"run.deterministic={str(wanted).lower()}"), tmp_path, datasets)
    assert torch.are_deterministic_algorithms_enabled() is wanted
