"""Memory in use by this run, read from the device's allocator or from the operating system."""

from __future__ import annotations

import psutil
import torch

from core.events import MemoryReading
from core.resident import resident


def report(device: torch.device) -> str:
    """What is in use now, in words for a message: ``3.1 of 15.6 GiB in use``."""
    reading = MemoryMeter(device).read()
    total = f" of {reading.total / 2**30:.1f}" if reading.total else ""
    return f"{reading.allocated / 2**30:.1f}{total} GiB in use"


class MemoryMeter:
    """Takes readings for one device. Without CUDA it remembers the peak it has seen, loader processes included."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._process = psutil.Process()
        self._peak = 0

    def restart(self) -> None:
        """Count the peak from now on."""
        self._peak = 0
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)

    def read(self) -> MemoryReading:
        """A reading in bytes; costs well under a millisecond and does not wait for the device."""
        if self.device.type == "cuda":
            return MemoryReading(
                allocated=torch.cuda.memory_allocated(self.device),
                reserved=torch.cuda.memory_reserved(self.device),
                peak=torch.cuda.max_memory_allocated(self.device),
                total=torch.cuda.get_device_properties(self.device).total_memory,
            )
        if self.device.type == "mps":
            reserved = torch.mps.driver_allocated_memory()  # of what a step took, the driver keeps the most for a while
            self._peak = max(self._peak, reserved)
            return MemoryReading(
                allocated=torch.mps.current_allocated_memory(),
                reserved=reserved,
                peak=self._peak,
                total=torch.mps.recommended_max_memory(),
            )
        held = resident(self._process)
        self._peak = max(self._peak, held)
        return MemoryReading(allocated=held, peak=self._peak, total=psutil.virtual_memory().total)
