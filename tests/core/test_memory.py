"""What fits on the device."""

from __future__ import annotations

import gc
from collections.abc import Callable

import pytest
import torch
from timm.utils import ModelEmaV3
from torch.optim import Optimizer

from core.memory_table import Row, measure
from core.models import Network, build
from core.precision import Numbers
from recipes.recipe import Recipe

CPU = torch.device("cpu")
FP32 = Numbers("fp32", channels_last=False)
PLAIN = {"name": "x", "data": {"image_size": 32}, "model": {"name": "test_resnet", "pretrained": False}}


@pytest.fixture
def network() -> Network:
    return build(Recipe.model_validate(PLAIN).model, 5, 32)


def rows_of(network: Network, *, averaged: bool = False, most: int | None = None, **sections: object) -> list[Row]:
    (plan,) = Recipe.model_validate({**PLAIN, **sections}).plan()
    return list(measure(network, plan, 5, FP32, CPU, averaged=averaged, most=most))


def test_the_table_grows_by_doubling_and_leaves_the_network_as_it_was(network: Network) -> None:
    before = {name: value.clone() for name, value in network.state_dict().items()}
    rows = rows_of(network, averaged=True, most=8)
    assert [row.batch for row in rows] == [1, 2, 4, 8]
    assert all(row.fits and row.memory is not None for row in rows)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_it_ends_with_the_first_batch_that_does_not_fit(network: Network) -> None:
    def refuse(_module: object, inputs: tuple[torch.Tensor]) -> None:
        if len(inputs[0]) > 4:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    network.register_forward_pre_hook(refuse)
    assert [(row.batch, row.fits) for row in rows_of(network)] == [(1, True), (2, True), (4, True), (8, False)]


def test_a_larger_batch_never_takes_less_and_many_images_take_far_more(network: Network) -> None:
    """On the CPU the peak never falls, so that a baseline for each batch would show the growth between two alone."""
    kept = [torch.ones(2**14) for _ in range(4000)]  # what the process freed before is not at hand unseen
    last = torch.ones(2**14)  # above them on the heap, or the allocator gave them back by itself
    del kept
    taken = [row.memory or 0 for row in rows_of(network, most=64, data={"image_size": 160})]
    assert len(last)
    assert taken == sorted(taken)
    assert taken[-1] > taken[0] + 64 * 3 * 160 * 160 * 4 * 2  # bytes: the images as floats, and as much of activations
    assert taken[-1] < 2e9


def passes(network: Network, look: Callable[[], int]) -> list[int]:
    """What `look` sees after every pass of a copy of `network`."""
    seen: list[int] = []
    network.register_forward_hook(lambda *_: seen.append(look()))
    return seen


@pytest.mark.parametrize("averaged", [True, False])
def test_averaged_weights_take_their_place_where_the_recipe_has_them(network: Network, averaged: bool) -> None:
    gc.collect()
    seen = passes(network, lambda: sum(issubclass(type(each), ModelEmaV3) for each in gc.get_objects()))
    rows_of(network, averaged=averaged, most=1)
    assert seen == [int(averaged)] * 3


def test_the_optimisers_state_is_there_in_the_second_step_and_while_evaluating(network: Network) -> None:
    gc.collect()

    def held() -> int:
        optimizers = [each for each in gc.get_objects() if issubclass(type(each), Optimizer)]
        return max(len(values) for optimizer in optimizers for values in [*optimizer.state.values(), {}])

    seen = passes(network, held)
    rows_of(network, most=1, optim={"name": "adamw"})
    assert seen == [0, 3, 3]  # a count and two moments for each parameter


def test_the_images_are_mixed_as_in_training(network: Network) -> None:
    """A mixed batch is a second copy of its images in memory."""
    values: list[int] = []
    network.register_forward_pre_hook(lambda _, given: values.append(len(given[0].unique())))
    rows_of(network, most=2)
    plain = max(values)
    rows_of(network, most=2, augment={"mixup_alpha": 1.0})
    assert plain <= 3 * 256 < max(values)  # unmixed, a channel has 256 values at most
