"""The device a run computes on: choosing it, naming it, and what it can do."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import torch
from torch import Tensor

from recipes.errors import ConfigurationError


def choose(wanted: str) -> torch.device:
    """The torch device for ``auto``, ``cpu``, ``mps``, ``cuda`` or ``cuda:N``.

    `auto` takes CUDA, else MPS, else the CPU. A GPU becomes the current one of this process, or libraries would open
    a context on the first GPU too, which takes some of its memory from whoever trains there.
    Raises ConfigurationError naming what is there when `wanted` is not.
    """
    there = available()
    name = there[0] if wanted == "auto" else "cuda:0" if wanted == "cuda" else wanted
    if name not in there:
        raise ConfigurationError(
            f"device '{wanted}' is not there", f"this machine has: {', '.join(there)} (or use --device auto)"
        )
    device = torch.device(name)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    return device


def available() -> tuple[str, ...]:
    """The devices of this machine, fastest first; the CPU is always the last."""
    cuda = tuple(f"cuda:{index}" for index in range(torch.cuda.device_count())) if torch.cuda.is_available() else ()
    mps = ("mps",) if torch.backends.mps.is_available() else ()
    return (*cuda, *mps, "cpu")


def describe(device: torch.device) -> str:
    """The device's own name: ``NVIDIA H200``, ``Apple M3``, ``Intel(R) Xeon(R) Processor``."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return _processor() or platform.processor() or platform.machine()


def _processor() -> str:
    if platform.system() == "Darwin":
        import subprocess

        asked = subprocess.run(
            ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True, check=False
        )
        return asked.stdout.strip()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """`tensor` on `device`; to CUDA from pinned memory the host does not wait for the copy.

    To MPS it does: a copy in the background reads memory that may have been given to another tensor meanwhile
    (github.com/pytorch/pytorch/issues/189690).
    """
    return tensor.to(device, non_blocking=device.type == "cuda")


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what was asked of it, so that a clock tells the truth."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def empty_cache(device: torch.device) -> None:
    """Give cached, unused blocks back to the device."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def make_repeatable(device: torch.device, deterministic: bool) -> None:
    """Switch the libraries to repeatable kernels, or (CUDA) to the fastest ones found by trial."""
    torch.use_deterministic_algorithms(deterministic, warn_only=device.type != "cuda")
    if device.type == "cuda":
        if deterministic:  # older torch refuses cuBLAS without it; read when cuBLAS is first used
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.benchmark = not deterministic
        torch.set_float32_matmul_precision("highest" if deterministic else "high")
