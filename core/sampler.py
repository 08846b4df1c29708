"""In which order an epoch goes through the images, as a pure function of (seed, stage, epoch)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_STREAM = 0x6F72646572  # "order"

Key = tuple[int, int, int]  # epoch, index into the manifest, how often this index came before in this epoch


@dataclass(frozen=True)
class Order:
    """The batches of every epoch over `indices` (entries of the manifest) with their `labels`."""

    indices: tuple[int, ...]
    labels: tuple[int, ...]
    batch_size: int
    seed: int = 0
    stage: int = 0
    shuffle: bool = False
    balanced: bool = False

    def __len__(self) -> int:
        """Batches per epoch; when shuffled, a last batch of one image is left out (BatchNorm needs two)."""
        full, rest = divmod(len(self.indices), self.batch_size)
        return full + (rest > (1 if self.shuffle and full else 0))

    def keys(self, epoch: int) -> list[Key]:
        """What is read in `epoch`, in order."""
        repeats: dict[int, int] = {}
        keys = []
        for index in self._drawn(epoch):
            repeat = repeats.get(index, 0)
            repeats[index] = repeat + 1
            keys.append((epoch, index, repeat))
        return keys

    def batches(self, epoch: int, start: int = 0) -> Iterator[list[Key]]:
        """The batches of `epoch` from number `start` on."""
        keys = self.keys(epoch)
        for number in range(start, len(self)):
            yield keys[number * self.batch_size : (number + 1) * self.batch_size]

    def _drawn(self, epoch: int) -> Sequence[int]:
        if not self.shuffle:
            return self.indices
        stream = np.random.Generator(np.random.PCG64(np.random.SeedSequence([self.seed, self.stage, epoch, _STREAM])))
        if self.balanced:
            positions = stream.choice(len(self.indices), size=len(self.indices), p=self._weights())
        else:
            positions = stream.permutation(len(self.indices))
        drawn: list[int] = np.asarray(self.indices)[positions].tolist()
        return drawn

    def _weights(self) -> npt.NDArray[np.float64]:
        """Every class that has images is drawn equally often on average; inside a class, every image."""
        counts = np.bincount(self.labels)
        weights = 1.0 / counts[np.asarray(self.labels)]
        return np.asarray(weights / weights.sum(), dtype=np.float64)
