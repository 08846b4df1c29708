"""What a loader process does: read the images of a batch, change or fit them, lay them side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from core.decode import Pixels, decode
from core.fit import fit
from core.levels import is_random
from core.sampler import Key
from recipes.errors import DataError
from recipes.sections import Augment, Resize

if TYPE_CHECKING:
    from core.augment import Augmenter


@dataclass(frozen=True)
class Failed:
    """A batch that could not be read; a value, because an error loses its shape on the way between processes."""

    message: str
    hint: str


@dataclass(frozen=True)
class Reader:
    """Images of a manifest by key, as uint8 (size, size, 3); `augment` None for evaluation."""

    root: Path
    paths: tuple[str, ...]
    size: int
    resize: Resize
    augment: Augment | None
    seed: int

    @cached_property
    def _augmenter(self) -> Augmenter | None:
        """Built where it is used: albumentations takes a second or more to import."""
        if self.augment is None or not is_random(self.augment):
            return None
        from core.augment import Augmenter

        return Augmenter(self.augment, self.size, self.resize, self.seed)

    def image(self, key: Key) -> Pixels:
        """One image, (size, size, 3) uint8; a pure function of the file, the settings and `key`."""
        epoch, index, repeat = key
        pixels = decode(self.root / self.paths[index], self.size)
        if self._augmenter is None:
            return fit(pixels, self.size, self.resize)
        return self._augmenter(pixels, epoch, index, repeat)

    def batch(self, keys: Sequence[Key]) -> Tensor:
        """(N, size, size, 3) uint8 in the order of `keys`; raises DataError."""
        images = torch.empty((len(keys), self.size, self.size, 3), dtype=torch.uint8)
        rows = images.numpy()
        for row, key in zip(rows, keys, strict=True):
            np.copyto(row, self.image(key))
        return images

    def __getitems__(self, keys: Sequence[Key]) -> Tensor | Failed:
        """`batch` for torch's DataLoader, which asks a data set this way for a whole batch."""
        try:
            return self.batch(keys)
        except DataError as error:
            return Failed(error.message, error.hint)

    def __len__(self) -> int:
        return len(self.paths)
