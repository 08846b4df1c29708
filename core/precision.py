"""Number format and memory format: what a recipe asks for, or what was measured to be fastest here.

Guessing goes wrong: on one CPU bf16 was 5 times faster than fp32 for EfficientNet-B3 and 1.5 times slower for
EfficientNet-Lite0. So `auto` takes a few real training steps with each candidate and remembers the answer in a file.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Generator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F

from core.checkpoint import replace_file
from core.device import describe, empty_cache, synchronize
from core.events import Preparing
from core.heads import set_training
from core.models import Network, set_image_size
from recipes.sections import Precision, Run

PROBE_PIXELS = 200_000  # of one measured micro-batch on a CPU: 4 images of 224 px, 2 of 300 px
GIVE_UP = 1.5  # a candidate whose first step takes so many times the best one's is not measured further
LAYOUTS = {"mps": [False]}  # channels_last was far slower there, and gradients lose it (pytorch/pytorch#174269)
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Numbers:
    """How a run computes: "fp32", "bf16" or "fp16", and whether images and weights are channels_last."""

    precision: str
    channels_last: bool

    def autocast(self, device: torch.device) -> torch.autocast:
        """The context of a forward pass; does nothing in fp32."""
        dtype = DTYPES.get(self.precision)
        return torch.autocast(device.type, dtype=dtype, enabled=dtype is not None, cache_enabled=True)

    def scaler(self, device: torch.device) -> torch.amp.GradScaler | None:
        """Loss scaling, which fp16 needs and the others do not."""
        return torch.amp.GradScaler(device.type) if self.precision == "fp16" else None


def choose_numbers(
    run: Run, network: Network, side: int, micro_batch: int, device: torch.device, memory_file: Path
) -> Generator[Preparing, None, Numbers]:
    """The recipe's choice where it made one, else the fastest measured (or remembered in `memory_file`).

    `network` is on `device`; it is left as it was.
    """
    candidates = _candidates(run, device)
    if len(candidates) == 1:
        return candidates[0]
    title = getattr(network.body, "pretrained_cfg", {}).get("architecture", type(network.body).__name__)
    asked = f"{run.precision}/{run.channels_last}"
    key = f"{describe(device)} | {title} | {side} px | {micro_batch} | {asked} | torch {torch.__version__}"
    known = _read(memory_file)
    if key in known:
        with suppress(KeyError, TypeError):
            remembered = Numbers(str(known[key]["precision"]), bool(known[key]["channels_last"]))
            if remembered in candidates:
                return remembered
    best = yield from _fastest(candidates, network, side, micro_batch, device)
    _remember(memory_file, key, best)
    return best


def _candidates(run: Run, device: torch.device) -> list[Numbers]:
    precisions = [run.precision.value] if run.precision is not Precision.AUTO else _supported(device)
    layouts = [run.channels_last] if run.channels_last != "auto" else LAYOUTS.get(device.type, [True, False])
    return [Numbers(precision, bool(layout)) for precision in precisions for layout in layouts]


def likeliest(run: Run, device: torch.device) -> Numbers:
    """What would be tried first; nothing is measured."""
    return _candidates(run, device)[0]


def _supported(device: torch.device) -> list[str]:
    """Formats worth trying, likeliest first; fp16 only where bf16 is not native, since it needs loss scaling."""
    if device.type == "cuda":
        return ["bf16", "fp32"] if torch.cuda.get_device_capability(device) >= (8, 0) else ["fp16", "fp32"]
    if device.type == "mps":
        return ["fp32", "fp16"]
    native = torch.backends.mkldnn.is_available() and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return ["fp32", "bf16"] if native else ["fp32"]


def _fastest(
    candidates: list[Numbers], network: Network, side: int, micro_batch: int, device: torch.device
) -> Generator[Preparing, None, Numbers]:
    what = "measuring number formats"
    size = micro_batch if device.type == "cuda" else min(micro_batch, max(2, PROBE_PIXELS // side**2))
    best, best_time = candidates[0], float("inf")
    for done, numbers in enumerate(candidates):
        yield Preparing(what, done, len(candidates))
        try:
            seconds = time_step(network, numbers, side, size, device, limit=best_time * GIVE_UP)
        except RuntimeError:  # a kernel this device lacks, or no memory for the probe: not this one then
            continue
        finally:
            empty_cache(device)
        if seconds < best_time:
            best, best_time = numbers, seconds
    yield Preparing(what, len(candidates), len(candidates))
    return best


def time_step(
    network: Network,
    numbers: Numbers,
    side: int,
    size: int,
    device: torch.device,
    limit: float = float("inf"),
    repeats: int = 3,
) -> float:
    """Seconds of a forward and backward pass over `size` synthetic images of `side` pixels, the best of a few.

    Works on a copy of `network`. The first, unmeasured pass ends the measurement early when it takes over `limit`
    plus a second (kernels are still being chosen in it).
    """
    state = torch.get_rng_state()
    layout = torch.channels_last if numbers.channels_last else torch.contiguous_format
    model = copy.deepcopy(network).to(memory_format=layout)
    set_image_size(model, side)
    set_training(model.body, frozen=False)
    images = torch.randint(0, 256, (size, 3, side, side), dtype=torch.uint8, device=device)
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.zeros(size, dtype=torch.int64, device=device)
    times = []
    for repeat in range(repeats + 1):
        began = time.perf_counter()
        with numbers.autocast(device):
            scores = model(model.normalize(images, numbers.channels_last))
        F.cross_entropy(scores.float(), labels).backward()
        synchronize(device)
        times.append(time.perf_counter() - began)
        if repeat == 0 and times[0] > limit + 1.0:
            break
        if repeat and (times[-1] > limit or sum(times) > 3.0):
            break
    torch.set_rng_state(state)
    return min(times[1:] or times)


def _read(path: Path) -> dict[str, dict[str, object]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _remember(path: Path, key: str, numbers: Numbers) -> None:
    """Best effort: a run does not fail because a measurement could not be kept."""
    known = {**_read(path), key: asdict(numbers)}
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, lambda file: file.write(json.dumps(known, indent=1, sort_keys=True).encode()))
