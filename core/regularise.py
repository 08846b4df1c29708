"""Regularisation of a network that is built once and regularised anew by every stage: progressive learning (Tan and Le
2021, arXiv:2104.00298) raises it together with the size of the images."""

from __future__ import annotations

from collections.abc import Sequence

from timm.layers import DropPath
from torch import nn

from core.heads import DropoutLinear, MlpHead
from core.models import Network
from recipes.errors import ConfigurationError
from recipes.recipe import StagePlan
from recipes.sections import Model

RATES = ("dropout", "spatial_dropout", "drop_path")


def strongest(plans: Sequence[StagePlan]) -> Model:
    """The model with every stage's highest rates: it has every module that a stage needs."""
    models = [plan.model for plan in plans]
    rates = {rate: max(getattr(model, rate) for model in models) for rate in RATES}
    recompute = any(model.grad_checkpointing for model in models)
    return models[0].model_copy(update={**rates, "grad_checkpointing": recompute})


def largest(plans: Sequence[StagePlan]) -> StagePlan:
    """The stage that memory is measured with: the one with the largest images, of those one that keeps activations."""
    return max(plans, key=lambda plan: (plan.data.image_size, not plan.model.grad_checkpointing))


class Regularisation:
    """The rates of a network built with `strongest`, which `apply` sets to those of a stage."""

    def __init__(self, network: Network, built: Model) -> None:
        modules = list(network.body.modules())
        self._built = built
        self._body = network.body
        self._heads = [module for module in modules if isinstance(module, DropoutLinear | MlpHead)]
        self._channels = [module for module in modules if isinstance(module, nn.Dropout2d)]
        self._paths = [(module, module.drop_prob) for module in modules if isinstance(module, DropPath)]

    def check(self, plans: Sequence[StagePlan]) -> None:
        """Raises ConfigurationError for a rate that a stage changes and this architecture has at no one place."""
        for field, found in (("dropout", self._heads), ("drop_path", self._paths)):
            if not found and len({getattr(plan.model, field) for plan in plans}) > 1:
                raise ConfigurationError(
                    f"the stages differ in model.{field}, which '{self._built.name}' cannot change during a run",
                    f"set model.{field} once, for all stages",
                )

    def apply(self, model: Model) -> None:
        """Put a stage's rates and gradient checkpointing in force, in place."""
        for head in self._heads:
            head.set_dropout(model.dropout)
        for dropout in self._channels:
            dropout.p = model.spatial_dropout
        for path, rate in self._paths:
            path.drop_prob = rate * (model.drop_path / self._built.drop_path) if rate else rate
        if self._built.grad_checkpointing:
            self._body.set_grad_checkpointing(model.grad_checkpointing)  # type: ignore[operator]
