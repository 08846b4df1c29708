"""Speed: when the next reading is due, images per second, time spent waiting for the loader, time left."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
INTERVAL = 0.5  # seconds between readings
SMOOTHING = 0.2  # weight of the newest interval in the mean time of a step


class Meter:
    """Times the steps of one phase of an epoch, `images` and `seconds` of an earlier attempt included."""

    def __init__(self, images: float = 0.0, seconds: float = 0.0) -> None:
        self._since = time.monotonic()
        self.began = self._since - seconds
        self.images = images
        self.step_seconds: float | None = None  # smoothed
        self._interval_images = 0
        self._interval_steps = 0
        self._interval_wait = 0.0
        self.images_per_second = 0.0
        self.loader_wait = 0.0
        self.seconds = 0.0
        self.mean_rate = 0.0  # images per second over the whole phase

    def waiting(self, batches: Iterable[T]) -> Iterator[T]:
        """The batches, with the time until each arrives counted as waiting for the loader."""
        iterator = iter(batches)
        while True:
            began = time.monotonic()
            try:
                batch = next(iterator)
            except StopIteration:
                return
            self._interval_wait += time.monotonic() - began
            yield batch

    def count(self, images: int) -> bool:
        """A step is done; True when a reading is due."""
        self.images += images
        self._interval_images += images
        self._interval_steps += 1
        return time.monotonic() - self._since >= INTERVAL

    def read(self) -> None:
        """Close the interval: sets `images_per_second`, `loader_wait` and `step_seconds`."""
        now = time.monotonic()
        seconds = max(now - self._since, 1e-9)
        self.images_per_second = self._interval_images / seconds
        self.loader_wait = min(1.0, self._interval_wait / seconds)
        if self._interval_steps:
            each = seconds / self._interval_steps
            known = self.step_seconds
            self.step_seconds = each if known is None else known + SMOOTHING * (each - known)
        self._since, self._interval_images, self._interval_steps, self._interval_wait = now, 0, 0, 0.0

    @property
    def spent(self) -> tuple[float, float]:
        """Images and seconds of the phase until now: what a Meter that goes on with it begins from."""
        return self.images, time.monotonic() - self.began

    def stop(self) -> None:
        """The phase is over: `seconds` and `mean_rate` are about it alone."""
        images, self.seconds = self.spent
        self.mean_rate = images / max(self.seconds, 1e-9)
