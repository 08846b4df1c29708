"""Optimisers, by timm's factory: no weight decay on norms and biases, layer-wise decay where asked."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from recipes.errors import ConfigurationError, closest
from recipes.sections import Optim

FUSED = frozenset({"adam", "adamw", "sgd"})  # torch has one kernel for the whole update of these


def build_optimizer(optim: Optim, body: nn.Module) -> Optimizer:
    """The optimiser of a stage over the trainable parameters of a timm model. Raises ConfigurationError."""
    name = _timm_name(optim)
    device = next(body.parameters()).device
    options: dict[str, Any] = {"fused": True} if name in FUSED and device.type in ("cpu", "cuda") else {}
    from timm.optim import create_optimizer_v2

    try:
        optimizer = create_optimizer_v2(
            body,
            opt=name,
            lr=optim.lr,
            weight_decay=optim.weight_decay,
            momentum=optim.momentum,
            layer_decay=optim.layer_decay if optim.layer_decay < 1.0 else None,
            **options,
        )
    except (AssertionError, TypeError, ImportError) as error:
        raise ConfigurationError(f"optimiser '{optim.name}' cannot be built: {error}", "try adamw") from error
    if getattr(optimizer, "is_second_order", False):
        raise ConfigurationError(f"optimiser '{optim.name}' needs second derivatives: not here", "try adamw")
    return optimizer


def _timm_name(optim: Optim) -> str:
    from timm.optim import list_optimizers

    name = optim.name.strip().lower()
    if name == "sgd" and not optim.nesterov:
        return "momentum"  # timm's sgd is Nesterov's
    known = [str(listed) for listed in list_optimizers()]
    if name not in known:
        raise ConfigurationError(f"no optimiser named '{optim.name}'", closest(name, known) or "try adamw")
    return name


def clip(parameters: list[nn.Parameter], largest: float) -> torch.Tensor:
    """Scale the gradients down to norm `largest` (0: leave them) and return their norm before, a scalar tensor."""
    bound = largest if largest > 0 else float("inf")
    return nn.utils.clip_grad_norm_(parameters, bound)  # one kernel for all gradients where torch has it: not on MPS
