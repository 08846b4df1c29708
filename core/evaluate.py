"""Class scores without learning, in parts small enough for the device."""

from __future__ import annotations

import torch
from torch import Tensor

from core.device import empty_cache
from core.models import Network
from core.precision import Numbers
from core.step import is_out_of_memory
from recipes.errors import OutOfMemoryError


class Scorer:
    """Scores uint8 batches with a network in evaluation mode; deterministic."""

    def __init__(self, network: Network, numbers: Numbers, device: torch.device, part: int) -> None:
        """`part` images pass at once, fewer after the device had no room for them."""
        self.network, self.numbers, self.device, self.part = network, numbers, device, part
        self._halvings: list[str] = []

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """uint8 ``(N, 3, H, W)`` on the device to float32 scores ``(N, classes)``. Raises OutOfMemoryError."""
        while True:
            try:
                return torch.cat([self._scores(part) for part in images.split(self.part)])
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                self._halve(min(self.part, len(images)), error)

    def halvings(self) -> list[str]:
        """What to tell the person about halved batches since the last call."""
        told, self._halvings = self._halvings, []
        return told

    def _scores(self, images: Tensor) -> Tensor:
        with self.numbers.autocast(self.device):
            scores: Tensor = self.network(self.network.normalize(images, self.numbers.channels_last))
        return scores.float()

    def _halve(self, before: int, error: RuntimeError) -> None:
        if before <= 1:
            raise OutOfMemoryError(
                f"no memory left on {self.device} to evaluate a single image", "try a smaller data.image_size"
            ) from error
        self.part = before // 2
        empty_cache(self.device)
        self._halvings.append(
            f"out of memory on {self.device} in evaluation: {before} -> {self.part} images at once; same results"
        )
