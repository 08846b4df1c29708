"""The classifier on top of a backbone, and putting another one in its place."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recipes.errors import ConfigurationError


class MlpHead(nn.Sequential):
    """Features ``(N, F)`` to class scores ``(N, classes)`` through two hidden layers of 512 and 128.

    Dropout p, Linear(F, 512), ReLU, BatchNorm, dropout p/2, Linear(512, 128), ReLU, BatchNorm, dropout p/2,
    Linear(128, classes).
    """

    def __init__(self, features: int, classes: int, dropout: float) -> None:
        super().__init__(
            nn.Dropout(dropout),
            nn.Linear(features, 512),
            nn.ReLU(inplace=True),
            nn.BatchNorm1d(512),
            nn.Dropout(dropout / 2),
            nn.Linear(512, 128),
            nn.ReLU(inplace=True),
            nn.BatchNorm1d(128),
            nn.Dropout(dropout / 2),
            nn.Linear(128, classes),
        )

    def set_dropout(self, dropout: float) -> None:
        """Another p from now on."""
        first, *others = (module for module in self if isinstance(module, nn.Dropout))
        first.p = dropout
        for other in others:
            other.p = dropout / 2


class DropoutLinear(nn.Linear):
    """A linear layer ``(N, F)`` to ``(N, classes)`` that drops a share of its own input (Srivastava et al. 2014).

    timm's own dropout before the classifier follows the mode of the whole model, which is off for a frozen backbone;
    this one follows the classifier's. Its parameters have the names of a plain linear layer.
    """

    def __init__(self, plain: nn.Linear, dropout: float) -> None:
        """`plain`'s own parameters, with `dropout` before them."""
        super().__init__(plain.in_features, plain.out_features, device="meta")
        self.weight, self.bias = plain.weight, plain.bias
        self.dropout = dropout

    def set_dropout(self, dropout: float) -> None:
        """Another share from now on."""
        self.dropout = dropout

    def forward(self, features: Tensor) -> Tensor:
        """Class scores of the features."""
        return super().forward(F.dropout(features, self.dropout, self.training))


def classifier_name(model: nn.Module) -> str:
    """The dotted name of a timm model's classifier, e.g. ``fc``, ``classifier``, ``head.fc``.

    Raises ConfigurationError for a model whose classifier is not one module (distilled transformers have two).
    """
    classifier = model.get_classifier()  # type: ignore[operator]
    for name, module in model.named_modules():
        if module is classifier and name:
            return str(name)
    raise ConfigurationError(
        f"the classifier of {type(model).__name__} is not a single layer", "choose another model, see 'clf models'"
    )


def output_layer_name(model: nn.Module) -> str:
    """The dotted name of the layer that gives the class scores: the classifier itself, or an MlpHead's last layer."""
    name = classifier_name(model)
    classifier = model.get_submodule(name)
    return f"{name}.{len(classifier) - 1}" if isinstance(classifier, MlpHead) else name


def put_mlp_head(model: nn.Module, classes: int, dropout: float) -> None:
    """Replace the linear classifier of a timm `model` by an MlpHead, in place."""
    name = classifier_name(model)
    linear = model.get_submodule(name)
    if not isinstance(linear, nn.Linear):
        raise ConfigurationError(
            f'head = "mlp" needs a linear classifier, and that of {type(model).__name__} is a {type(linear).__name__}',
            "use --set model.head=linear",
        )
    device, dtype = linear.weight.device, torch.get_default_dtype()
    model.set_submodule(name, MlpHead(linear.in_features, classes, dropout).to(device, dtype))


def put_dropout(model: nn.Module, dropout: float) -> bool:
    """Put dropout before the linear classifier of a timm `model`, in place; False when its classifier is no such."""
    classifier = model.get_classifier()  # type: ignore[operator]
    if not isinstance(classifier, nn.Linear):
        return False
    model.set_submodule(classifier_name(model), DropoutLinear(classifier, dropout))
    return True


def classifier_parameters(model: nn.Module) -> set[str]:
    """Names of the parameters that stay trainable when the backbone is frozen."""
    prefix = classifier_name(model)
    return {name for name, _ in model.named_parameters() if name == prefix or name.startswith(f"{prefix}.")}


def freeze_backbone(model: nn.Module, frozen: bool) -> None:
    """Stop or start gradients for everything but the classifier."""
    trainable = classifier_parameters(model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not frozen or name in trainable)


def set_training(model: nn.Module, frozen: bool) -> None:
    """Training mode; with a frozen backbone only for the classifier, so that no BatchNorm statistic moves."""
    model.train(not frozen)
    if frozen:
        model.get_submodule(classifier_name(model)).train()
