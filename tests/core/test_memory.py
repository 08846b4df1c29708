"""What fits on the device."""

from __future__ import annotations

import torch

from core.memory_table import Row, largest, measure
from core.models import build
from core.precision import Numbers
from recipes.sections import Model, Optim

CPU = torch.device("cpu")


def test_the_table_grows_by_doubling_and_leaves_the_network_as_it_was() -> None:
    network = build(Model(name="test_resnet", pretrained=False), 5, 32)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    rows = list(measure(network, Optim(), 32, Numbers("fp32", False), CPU, "test_resnet", most=8))
    assert [row.batch for row in rows] == [1, 2, 4, 8]
    assert all(row.fits and row.memory is not None for row in rows)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_it_ends_with_the_first_batch_that_does_not_fit() -> None:
    rows = [Row("m", 224, 8, 1, True), Row("m", 224, 16, 2, True), Row("m", 224, 32, None, False)]
    assert largest(iter(rows)) == 16
    network = build(Model(name="test_resnet", pretrained=False), 5, 32)

    def refuse(_module: object, inputs: tuple[torch.Tensor]) -> None:
        if len(inputs[0]) > 4:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    network.register_forward_pre_hook(refuse)
    measured = list(measure(network, Optim(), 32, Numbers("fp32", False), CPU, "test_resnet"))
    assert [(row.batch, row.fits) for row in measured] == [(1, True), (2, True), (4, True), (8, False)]
