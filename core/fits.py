"""Which batch sizes of a recipe fit on this device, for `clf memory`."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from core.device import choose, make_repeatable
from core.memory_table import Row, measure
from core.models import build
from core.precision import likeliest
from core.regularise import largest
from recipes.recipe import Recipe


def table(recipe: Recipe, classes: int) -> Iterator[Row]:
    """Rows for growing batches at the recipe's largest image size, until one does not fit.

    Where the recipe leaves formats to be measured, the likeliest ones are taken.
    Raises ConfigurationError.
    """
    device = choose(recipe.run.device)
    make_repeatable(device, recipe.run.deterministic)  # it decides which buffers cuDNN takes
    plans = recipe.plan()
    plan, averaged = largest(plans), any(plan.run.ema_decay for plan in plans)
    model = plan.model.model_copy(update={"pretrained": False, "weights": None})
    network = build(model, classes, plan.data.image_size).to(device)
    numbers = likeliest(recipe.run, device)
    network.to(memory_format=torch.channels_last if numbers.channels_last else torch.contiguous_format)
    yield from measure(network, plan, classes, numbers, device, averaged=averaged)
