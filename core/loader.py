"""Batches of images for training and evaluation, read by worker processes that live as long as the stage.

The result does not depend on the number of workers: order, augmentation and batches are functions of
(seed, stage, epoch, index) alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from core.manifest import Manifest
from core.pool import Pool
from core.reader import Failed, Reader
from core.sampler import Key, Order
from recipes.errors import DataError
from recipes.recipe import StagePlan
from recipes.sections import Balance

SMALL = 4_000_000  # pixels of all images together at the size the network sees: 4,000 of 32 x 32


@dataclass(frozen=True)
class Batch:
    """images (N, 3, H, W) uint8 in channels_last memory format, labels (N,) int64, indices (N,) int64 into the
    manifest; pinned when the loader was asked to."""

    images: Tensor
    labels: Tensor
    indices: Tensor


def auto_workers(images: int, image_size: int, device: str) -> int:
    """Loader processes for ``data.workers = "auto"``, from the data's size and the cores this process may use.

    Reading a training image takes about 1 ms of a core at 224 px. A few thousand tiny images are read faster than a
    process is started, so they get none.
    """
    if images * image_size**2 < SMALL:
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, 8 if device == "cpu" else 16)


class Loader:
    """The batches of one split for one stage; worker processes stay between epochs until `close`."""

    def __init__(
        self,
        manifest: Manifest,
        split: str,
        plan: StagePlan,
        *,
        seed: int,
        train: bool,
        batch_size: int,
        workers: int,
        pin: bool = False,
        stage_index: int = 0,
    ) -> None:
        indices = tuple(manifest.indices(split))
        labels = tuple(manifest.labels[index] for index in indices)
        balanced = train and plan.data.balance is Balance.SAMPLER
        self._order = Order(indices, labels, batch_size, seed, stage_index, shuffle=train, balanced=balanced)
        self._labels = torch.tensor(manifest.labels, dtype=torch.int64)
        self._pin = pin
        reader = Reader(
            root=manifest.root,
            paths=manifest.paths,
            size=plan.data.image_size,
            resize=plan.data.resize,
            augment=plan.augment if train else None,
            seed=seed,
        )
        self._pool = Pool(reader, workers, pin)

    def __len__(self) -> int:
        """Batches per epoch; in training a last batch of one image is left out."""
        return len(self._order)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of `epoch` (from 1, run-wide) from number `start` on; raises DataError, LoaderError."""
        orders = list(self._order.batches(epoch, start))
        for keys, images in zip(orders, self._pool.read(orders), strict=True):
            if isinstance(images, Failed):
                raise DataError(images.message, images.hint)
            yield self._batch(keys, images)

    def close(self) -> None:
        """End the worker processes; the loader cannot be used afterwards."""
        self._pool.close()

    def _batch(self, keys: list[Key], images: Tensor) -> Batch:
        indices = torch.tensor([index for _, index, _ in keys], dtype=torch.int64)
        labels = self._labels[indices]
        if self._pin:
            indices, labels = indices.pin_memory(), labels.pin_memory()
        return Batch(images.permute(0, 3, 1, 2), labels, indices)
