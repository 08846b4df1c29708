"""Does a long run stay as small as it began? Resident memory, open files, threads and processes over many tiny epochs.

    python benchmarks/flat.py [--epochs 2000] [--workers 0] [--set section.key=value ...]

Trains a very small network on ten images, with everything on that keeps something between epochs: mixing, averaged
weights, accumulation, checkpoints, records, curves. The first tenth of the epochs is a warm-up; of the rest, the
middle of the last third of the readings is compared with that of the first third. Exit code 1 when there are more
files, threads or processes at the end, or when memory grew by more than the records of the epochs explain.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported
ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import psutil  # noqa: E402

from core.data import ensure_data  # noqa: E402
from core.events import EpochEnded  # noqa: E402
from core.train import train  # noqa: E402
from recipes.merge import assignments, merge  # noqa: E402
from recipes.recipe import Recipe  # noqa: E402

RECORD = 12_000  # bytes an epoch may leave behind: its record and its points in the curves take about 5,000
SLACK = 8 << 20  # bytes that an allocator comes and goes by
SETTINGS: dict[str, Any] = {
    "name": "flat",
    "data": {"source": "digits", "samples": 10, "image_size": 32, "workers": 0},
    "model": {"name": "test_resnet", "pretrained": False, "dropout": 0.1},
    "augment": {"level": "light", "mixup_alpha": 0.2, "cutmix_alpha": 1.0},
    "run": {
        "batch_size": 10,
        "accumulation": 2,
        "ema_decay": 0.9,
        "precision": "fp32",
        "channels_last": False,
        "checkpoint_every": 0.5,
    },
}


@dataclass(frozen=True)
class Reading:
    """What this process holds after an epoch; memory in bytes, loader processes included among `processes`."""

    epoch: int
    seconds: float
    memory: int
    files: int
    threads: int
    processes: int


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=2000)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    shape = {"run": {"epochs": options.epochs}, "data": {"workers": options.workers}}
    recipe = Recipe.model_validate(merge(merge(SETTINGS, shape), assignments(options.set)))
    with tempfile.TemporaryDirectory() as folder:
        found = list(readings(recipe, Path(folder)))
    return report(found[len(found) // 10 :])


def readings(recipe: Recipe, home: Path) -> Iterator[Reading]:
    """One reading per epoch of a run in `home`."""
    for _ in ensure_data(recipe.data, home / "datasets"):
        pass
    process, began = psutil.Process(), time.process_time()
    for event in train(recipe, home / "run", datasets=home / "datasets"):
        if isinstance(event, EpochEnded):
            below = len(process.children(recursive=True))
            held = process.memory_info().rss
            files = process.num_fds() if hasattr(process, "num_fds") else process.num_handles()
            yield Reading(event.epoch, time.process_time() - began, held, files, process.num_threads(), below)


def report(found: list[Reading]) -> int:
    """Print the thirds beside each other; 1 when something grew."""
    third = max(1, len(found) // 3)
    first, last = found[:third], found[-third:]
    print(f"{'':20}{'first third':>14}{'last third':>14}")
    grown = []
    for field in fields(Reading)[2:]:
        one, other = (statistics.median(getattr(reading, field.name) for reading in part) for part in (first, last))
        allowed = SLACK + RECORD * 2 * third if field.name == "memory" else 0
        if other > one + allowed:
            grown.append(field.name)
        unit = 1 << 20 if field.name == "memory" else 1
        print(f"{field.name + (' (MiB)' if unit > 1 else ''):20}{one / unit:14,.1f}{other / unit:14,.1f}")
    costs = [1000 * (part[-1].seconds - part[0].seconds) / max(1, len(part) - 1) for part in (first, last)]
    print(f"{'CPU of an epoch (ms)':20}{costs[0]:14,.1f}{costs[1]:14,.1f}")
    print(f"grew: {', '.join(grown)}" if grown else f"flat over {len(found):,} epochs")
    return 1 if grown else 0


if __name__ == "__main__":
    sys.exit(main())
