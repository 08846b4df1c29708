"""Which device this machine has, and what it reports of itself; without torch."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from typing import Any

from recipes.errors import QueueError


@dataclass(frozen=True)
class DeviceReading:
    """What the device says now; None where it cannot tell. Bytes, shares 0..1, degrees Celsius, watts."""

    used: int | None = None
    total: int | None = None
    utilization: float | None = None
    temperature: float | None = None
    power: float | None = None


KNOWN = r"auto|cpu|mps|cuda(:\d+)?"


def resolve_device(wanted: str) -> str:
    """`auto` and `cuda` as a definite device: cuda:0, mps or cpu; raises QueueError for one that is not there."""
    if not re.fullmatch(KNOWN, wanted):
        raise QueueError(f"no device is called '{wanted}'", "auto, cpu, mps, cuda, or cuda:1 for the second GPU")
    count = cuda_count()
    if wanted == "auto":
        return "cuda:0" if count else "mps" if has_mps() else "cpu"
    if wanted == "cuda":
        wanted = "cuda:0"
    if wanted.startswith("cuda:") and int(wanted.removeprefix("cuda:")) >= count:
        seen = f"this machine shows {count}" if count else "this machine shows none"
        raise QueueError(f"no device {wanted}: {seen}", "see 'nvidia-smi' and CUDA_VISIBLE_DEVICES")
    if wanted == "mps" and not has_mps():
        raise QueueError("no device mps: that is for Macs with Apple silicon", "leave --device away")
    return wanted


def has_mps() -> bool:
    return sys.platform == "darwin" and platform.machine() == "arm64"


def cuda_count() -> int:
    """The GPUs a child would see."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        names = [name.strip() for name in visible.split(",")]
        visible_count = next((i for i, name in enumerate(names) if name in ("", "-1", "NoDevFiles")), len(names))
        return min(visible_count, _installed()) if visible_count else 0
    return _installed()


@cache
def _installed() -> int:
    nvml = _nvml()
    if nvml is not None:
        return int(nvml.nvmlDeviceGetCount())
    if shutil.which("nvidia-smi") is None:
        return 0
    done = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False, timeout=30)
    return sum(line.startswith("GPU ") for line in done.stdout.splitlines())


@cache
def _nvml() -> Any:
    """NVIDIA's management library, or None where there is no driver."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return pynvml


def _handle(device: str) -> Any:
    """NVML's handle for torch's `cuda:N`, which counts only the visible GPUs."""
    nvml, index = _nvml(), int(device.removeprefix("cuda:"))
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    name = visible.split(",")[index].strip() if visible else str(index)
    return nvml.nvmlDeviceGetHandleByIndex(int(name)) if name.isdigit() else nvml.nvmlDeviceGetHandleByUUID(name)


def device_name(device: str) -> str:
    """``NVIDIA H200`` for cuda:0; the processor's or the machine's name elsewhere."""
    if device.startswith("cuda:") and (nvml := _nvml()) is not None:
        try:
            return str(nvml.nvmlDeviceGetName(_handle(device)))
        except (nvml.NVMLError, IndexError):
            return device
    return platform.processor() or platform.machine()


def read_device(device: str) -> DeviceReading:
    """The device's own figures; empty where there is no NVML."""
    nvml = _nvml() if device.startswith("cuda:") else None
    if nvml is None:
        return DeviceReading()
    try:
        handle = _handle(device)
    except (nvml.NVMLError, IndexError):
        return DeviceReading()

    def ask(question: Any, *more: Any) -> Any:
        try:
            return question(handle, *more)
        except nvml.NVMLError:
            return None

    memory, rates = ask(nvml.nvmlDeviceGetMemoryInfo), ask(nvml.nvmlDeviceGetUtilizationRates)
    temperature, power = (
        ask(nvml.nvmlDeviceGetTemperature, nvml.NVML_TEMPERATURE_GPU),
        ask(nvml.nvmlDeviceGetPowerUsage),
    )
    return DeviceReading(
        used=memory.used if memory else None,
        total=memory.total if memory else None,
        utilization=rates.gpu / 100 if rates else None,
        temperature=float(temperature) if temperature is not None else None,
        power=power / 1000 if power is not None else None,
    )
