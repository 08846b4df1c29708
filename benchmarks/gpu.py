"""Recipes at full size on a GPU: images/s, memory, what a resumed run differs by, and recovery when memory runs out.

    python benchmarks/gpu.py [--recipes two_stage improved_resnet50] [--images 6000] [--epochs 4] [--device cuda]
    python benchmarks/gpu.py --device cpu --small        that the script works, without figures worth having

Trains on random JPEG files of Food-101's classes and size (101 classes, 512 x 384, about 50 kB) in a temporary folder,
with each recipe's own network, image size, batch, mixing and averages; the weights start at random. Then, with
improved_resnet50's network at a small size: a run that was stopped halfway against one that was not, with and without
``run.deterministic``, and a run that is given a tenth of the memory it needs. Without a GPU it says so and ends.
"""

from __future__ import annotations

import argparse
import gc
import io
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from core.checkpoint import LAST, load  # noqa: E402
from core.device import choose, describe  # noqa: E402
from core.events import EpochEnded, Event, RunStarted, StageStarted, StepLogged, Warned  # noqa: E402
from core.memory import MemoryMeter  # noqa: E402
from core.models import build  # noqa: E402
from core.precision import Numbers, time_step  # noqa: E402
from core.train import train  # noqa: E402
from recipes.find import load as load_recipe  # noqa: E402
from recipes.merge import merge  # noqa: E402
from recipes.recipe import Recipe  # noqa: E402

CLASSES, WIDTH, HEIGHT, VARIETY = 101, 512, 384, 64
SMALL: dict[str, Any] = {
    "data": {"image_size": 32, "workers": 0},
    "model": {"name": "test_resnet"},
    "run": {"batch_size": 8, "accumulation": 1, "precision": "fp32", "channels_last": False},
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipes", nargs="+", default=["two_stage", "improved_resnet50"])
    parser.add_argument("--images", type=int, default=6000)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true", help="a tiny network at 32 px")
    options = parser.parse_args()
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        print("no CUDA device here: nothing was measured")
        return 0
    device = choose(options.device)
    print(f"{describe(device)}, torch {torch.__version__}, {torch.get_num_threads()} threads")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        write_photos(home / "photos", options.images)
        for name in options.recipes:
            measure(described(name, home, options.device, options.epochs, options.small), home / name, device)
        resumed(home, options.device, options.small)
        if device.type == "cuda":
            starved(home, options.device, device, options.small)
    return 0


def write_photos(root: Path, images: int) -> None:
    """`images` files in the layout of ImageFolder, of VARIETY different random pictures: three in four train."""
    stream = np.random.default_rng(0)
    pictures = []
    for _ in range(VARIETY):
        coarse = stream.integers(0, 256, (HEIGHT // 8, WIDTH // 8, 3), dtype=np.uint8)
        picture = Image.fromarray(coarse).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=85)
        pictures.append(file.getvalue())
    for number in range(images):
        split = ("train", "train", "train", "val")[number // CLASSES % 4]
        folder = root / split / f"{number % CLASSES:03d}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number:06d}.jpg").write_bytes(pictures[number % VARIETY])
    print(f"{images:,} JPEG files of {WIDTH} x {HEIGHT}, {statistics.mean(map(len, pictures)) / 1000:.0f} kB each")


def described(name: str, home: Path, device: str, epochs: int, small: bool, **run: Any) -> Recipe:
    """The recipe with the random photographs, random weights and few epochs."""
    settings: dict[str, Any] = {
        "data": {"source": str(home / "photos")},
        "model": {"pretrained": False},
        "schedule": {"warmup_epochs": 0},
        "run": {"epochs": epochs, "device": device, "checkpoint_every": 0, **run},
    }
    return load_recipe(name, overrides=merge(merge(settings, SMALL if small else {}), {"run": run}))


def measure(recipe: Recipe, folder: Path, device: torch.device) -> None:
    """One line per stage: speed of the loop in its last epoch and of the bare pass, memory since the stage began."""
    stage: StageStarted | None = None
    numbers, readings, memory = Numbers("fp32", False), list[float](), MemoryMeter(device)
    for event in train(recipe, folder, datasets=folder.parent / "datasets"):
        if isinstance(event, RunStarted):
            numbers = Numbers(event.precision, event.channels_last)
            print(f"\n{recipe.name}: {event.model}, {event.parameters / 1e6:.1f} M, {event.precision}, "
                  f"channels_last {event.channels_last}, {event.images}")  # fmt: skip
        if isinstance(event, StageStarted):
            stage, readings = event, []
            memory.restart()
        if isinstance(event, StepLogged) and event.phase == "train":
            readings.append(event.images_per_second)
        if isinstance(event, Warned):
            print(f"  {event.kind}: {event.message}")
        if isinstance(event, EpochEnded) and stage is not None and event.epoch == stage.first_epoch + stage.epochs - 1:
            whole, peak = event.metrics["run/images_per_second"], memory.read().peak or 0
            bare = bare_pass(recipe, stage, numbers, device)
            print(f"  {stage.name}: {stage.image_size} px, batch {stage.batch_size} in parts of {stage.micro_batch}, "
                  f"loop {whole:,.0f} images/s (median reading {statistics.median(readings or [whole]):,.0f}), "
                  f"whole network forward and backward alone {bare:,.0f}: {whole / bare:.1%}, "
                  f"peak {peak / 2**30:.2f} GiB")  # fmt: skip


def bare_pass(recipe: Recipe, stage: StageStarted, numbers: Numbers, device: torch.device) -> float:
    """Images per second of forward and backward passes over synthetic images on the device."""
    network = build(recipe.model, CLASSES, stage.image_size, fetch=False).to(device)
    seconds = time_step(network, numbers, stage.image_size, stage.micro_batch, device, repeats=10)
    return stage.micro_batch / seconds


def resumed(home: Path, device: str, small: bool) -> None:
    """How far the weights of a run that was stopped and went on are from those of one that was not."""
    print("\na run stopped halfway and resumed, against one that was not (largest difference of a weight):")
    for deterministic in (False, True):
        settings: dict[str, Any] = {"deterministic": deterministic, "batch_size": 32, "accumulation": 1}
        plan = described("improved_resnet50", home, device, 2, small, **settings)
        plan = plan.model_copy(
            update={"data": plan.data.model_copy(update={"samples": 64 if small else 320, "image_size": 64})}
        )
        runs = [home / f"{name}-{deterministic}" for name in ("whole", "again", "stopped")]
        for folder in runs[:2]:
            exhaust(train(plan, folder, datasets=home / "datasets"))
        exhaust(train(plan, runs[2], datasets=home / "datasets", stop=after(7)))
        exhaust(train(plan, runs[2], datasets=home / "datasets"))
        whole, *others = (load(folder / LAST)["weights"] for folder in runs)
        again, stopped = (
            max(float((whole[name].double() - other[name].double()).abs().max()) for name in whole) for other in others
        )
        print(f"  run.deterministic={str(deterministic).lower()}: {stopped:.3g} (the same run twice: {again:.3g})")


def after(questions: int) -> Callable[[], bool]:
    """False so many times, then True."""
    asked = count()
    return lambda: next(asked) >= questions


def starved(home: Path, name: str, device: torch.device, small: bool) -> None:
    """A run on a device that has room for a fraction of its batch."""
    print("\na run with too little memory:")
    total = torch.cuda.get_device_properties(device).total_memory
    gc.collect()  # what is left of the runs before would count
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(min(1.0, 4 * 2**30 / total), device)
    try:
        plan = described("improved_resnet50", home, name, 1, small, batch_size=256, accumulation=1)
        plan = plan.model_copy(update={"data": plan.data.model_copy(update={"samples": 1024})})
        last = exhaust(train(plan, home / "starved", datasets=home / "datasets"), show=("out_of_memory",))
        print(f"  ended: {last}")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, device)


def exhaust(events: Iterator[Event], show: tuple[str, ...] = ()) -> str:
    """Run to the end; prints warnings of the kinds in `show`, returns the last event's name."""
    last: Event | None = None
    for last in events:
        if isinstance(last, Warned) and last.kind in show:
            print(f"  {last.message}")
    return type(last).__name__


if __name__ == "__main__":
    sys.exit(main())
