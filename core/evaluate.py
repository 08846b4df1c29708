"""Passes without learning, in parts small enough for the device: class scores, and a frozen backbone's features."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from core.device import empty_cache, send
from core.memory import report
from core.models import Network
from core.precision import Numbers
from core.step import is_out_of_memory
from recipes.errors import OutOfMemoryError


class Parts:
    """Lets a function of images see at most `part` of them at once, fewer after the device had no room for them."""

    def __init__(self, device: torch.device, part: int) -> None:
        self.device, self.part = device, part
        self._halvings: list[str] = []

    @torch.no_grad()
    def __call__(self, function: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
        """`function` of uint8 ``(N, 3, H, W)`` in host or device memory, on the device. Raises OutOfMemoryError."""
        while True:
            try:
                parts = [function(send(part, self.device)) for part in images.split(self.part)]
                return torch.cat(parts)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                self._halve(min(self.part, len(images)), error)

    def halvings(self) -> list[str]:
        """What to tell the person about halved batches since the last call."""
        told, self._halvings = self._halvings, []
        return told

    def _halve(self, before: int, error: RuntimeError) -> None:
        if before <= 1:
            raise OutOfMemoryError(
                f"no memory left on {self.device} to evaluate a single image ({report(self.device)})",
                "try a smaller data.image_size, a smaller model or --precision bf16",
            ) from error
        self.part = before // 2
        empty_cache(self.device)
        self._halvings.append(
            f"out of memory on {self.device} in evaluation ({report(self.device)}): {before} -> {self.part} images "
            f"at once; same results"
        )


class Scorer:
    """Scores uint8 batches with a network in evaluation mode; deterministic."""

    def __init__(self, network: Network, numbers: Numbers, device: torch.device, part: int) -> None:
        """`part` images pass at once, fewer after the device had no room for them."""
        self.network, self.numbers, self.device = network, numbers, device
        self.parts = Parts(device, part)

    def __call__(self, images: Tensor) -> Tensor:
        """uint8 ``(N, 3, H, W)`` to float32 scores ``(N, classes)`` on the device. Raises OutOfMemoryError."""
        return self.parts(self._scores, images)

    def _scores(self, images: Tensor) -> Tensor:
        with self.numbers.autocast(self.device):
            scores: Tensor = self.network(self.network.normalize(images, self.numbers.channels_last))
        return scores.float()
