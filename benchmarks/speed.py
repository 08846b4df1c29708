"""What the measurements of training share: images, wall-clock and CPU seconds, loader processes included."""

from __future__ import annotations

import time
from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class Speed:
    """Images and the wall-clock and CPU seconds they took, loader processes included."""

    images: int
    seconds: float
    cpu: float

    @property
    def rate(self) -> float:
        return self.images / self.seconds

    @property
    def cost(self) -> float:
        """CPU seconds of one image."""
        return self.cpu / self.images

    def __str__(self) -> str:
        return f"{self.rate:8.1f} images/s  {1000 * self.cost:8.1f} ms of CPU per image"


class Clock:
    """Wall-clock and CPU seconds since it was made."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), cpu_seconds()

    def read(self, images: int) -> Speed:
        return Speed(images, time.perf_counter() - self._wall, cpu_seconds() - self._cpu)


def cpu_seconds() -> float:
    """Of this process and the loader processes it started."""
    processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
    return sum(process.cpu_times().user + process.cpu_times().system for process in processes)
