"""Optimisers: their parameter groups, and one update against torch's plain implementation."""

from __future__ import annotations

import pytest
import timm
import torch
from torch import nn

from core.heads import freeze_backbone
from core.optim import build_optimizer, clip
from recipes.errors import ConfigurationError
from recipes.sections import Optim


def body() -> nn.Module:
    torch.manual_seed(0)
    model: nn.Module = timm.create_model("test_resnet", num_classes=5)
    return model


def test_norms_and_biases_have_no_weight_decay() -> None:
    model = body()
    optimizer = build_optimizer(Optim(weight_decay=0.05), model)
    decayed = {id(p) for group in optimizer.param_groups if group["weight_decay"] for p in group["params"]}
    for name, parameter in model.named_parameters():
        assert (id(parameter) in decayed) == (parameter.ndim > 1), name


def test_layers_near_the_input_learn_slower() -> None:
    model = body()
    optimizer = build_optimizer(Optim(layer_decay=0.5), model)
    scale = {id(p): group["lr_scale"] for group in optimizer.param_groups for p in group["params"]}
    names = dict(model.named_parameters())
    assert scale[id(names["fc.weight"])] == 1.0
    assert scale[id(names["conv1.0.weight"])] < scale[id(names["layer4.0.conv1.weight"])] < 1.0


def test_a_frozen_backbone_is_not_in_the_optimiser() -> None:
    model = body()
    freeze_backbone(model, True)
    optimizer = build_optimizer(Optim(), model)
    assert sum(p.numel() for group in optimizer.param_groups for p in group["params"]) == model.fc.weight.numel() + 5


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (
            Optim(name="adamw", weight_decay=0.1),
            lambda p: torch.optim.AdamW(p, lr=5e-4, weight_decay=0.1, foreach=False),
        ),
        (Optim(name="adam", weight_decay=0.1), lambda p: torch.optim.Adam(p, lr=5e-4, weight_decay=0.1, foreach=False)),
        (
            Optim(name="sgd", weight_decay=0.1),
            lambda p: torch.optim.SGD(p, lr=5e-4, momentum=0.9, nesterov=True, weight_decay=0.1, foreach=False),
        ),
        (
            Optim(name="sgd", weight_decay=0.1, nesterov=False),
            lambda p: torch.optim.SGD(p, lr=5e-4, momentum=0.9, weight_decay=0.1, foreach=False),
        ),
    ],
)
def test_three_updates_are_torchs(ours: Optim, theirs: object) -> None:
    assert callable(theirs)
    one, other = nn.Linear(6, 4, bias=False), nn.Linear(6, 4, bias=False)
    other.load_state_dict(one.state_dict())
    first, second = build_optimizer(ours, one), theirs(other.parameters())
    for step in range(3):
        for layer, optimizer in ((one, first), (other, second)):
            torch.manual_seed(step)
            layer.weight.grad = torch.randn(4, 6)
            optimizer.step()
    torch.testing.assert_close(one.weight, other.weight)


def test_an_unknown_optimiser_is_refused_with_the_closest_name() -> None:
    with pytest.raises(ConfigurationError, match="no optimiser named 'adamww'") as caught:
        build_optimizer(Optim(name="adamww"), body())
    assert "adamw" in caught.value.hint


def test_an_optimiser_of_second_derivatives_is_refused_before_its_first_update() -> None:
    with pytest.raises(ConfigurationError, match="second derivatives"):
        build_optimizer(Optim(name="adahessian"), body())


def test_gradients_are_clipped_to_the_norm_and_left_alone_at_zero() -> None:
    parameter = nn.Parameter(torch.zeros(3))
    parameter.grad = torch.tensor([3.0, 4.0, 0.0])
    assert clip([parameter], 0.0).item() == pytest.approx(5.0)
    assert parameter.grad.norm().item() == pytest.approx(5.0)
    clip([parameter], 1.0)
    assert parameter.grad.norm().item() == pytest.approx(1.0, rel=1e-4)
