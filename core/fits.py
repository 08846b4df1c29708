"""Which batch sizes of a recipe fit on this device, for `clf memory`."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from core.device import choose
from core.memory_table import Row, measure
from core.models import build
from core.precision import Numbers
from core.regularise import largest
from recipes.recipe import Recipe
from recipes.sections import Precision


def table(recipe: Recipe, classes: int) -> Iterator[Row]:
    """Rows for growing batches at the recipe's largest image size, until one does not fit.

    Without ``run.precision`` the narrower format is measured on CUDA, where `auto` would take it, else fp32.
    Raises ConfigurationError.
    """
    device = choose(recipe.run.device)
    plans = recipe.plan()
    plan, averaged = largest(plans), any(plan.run.ema_decay for plan in plans)
    model = plan.model.model_copy(update={"pretrained": False, "weights": None})
    network = build(model, classes, plan.data.image_size).to(device)
    precision = recipe.run.precision.value
    if recipe.run.precision is Precision.AUTO:
        precision = "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "fp32"
    channels_last = recipe.run.channels_last is not False and device.type != "mps"
    network.to(memory_format=torch.channels_last if channels_last else torch.contiguous_format)
    yield from measure(network, plan, classes, Numbers(precision, channels_last), device, averaged=averaged)
