"""Images per second that the loader alone delivers: decoding, augmentation and collation, without a network.

    python benchmarks/loader.py --data DIR [--image-size 224] [--workers 0 1 2] [--levels none medium] [--seconds 4]

DIR is anything `clf --data` takes, or a folder of images without classes. One line per level and number of workers.
"""

from __future__ import annotations

import argparse
import itertools
import time
from pathlib import Path

import torch

from core.folders import READABLE
from core.loader import Loader
from core.manifest import Manifest, build_manifest
from recipes.errors import DataError
from recipes.recipe import Recipe, StagePlan
from recipes.sections import Augment, Data, Level


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--levels", nargs="+", choices=list(Level), default=list(Level))
    parser.add_argument("--seconds", type=float, default=4.0, help="measured for each line")
    options = parser.parse_args()
    torch.set_num_threads(1)
    manifest = read(options.data)
    print(f"{options.data.name}: {len(manifest.paths):,} images, {options.image_size} px, batch {options.batch_size}")
    print(f"{'level':>12}  {'workers':>7}  {'images/s':>8}  {'ms/image':>8}")
    for level, workers in itertools.product(options.levels, options.workers):
        plan = stage(options.image_size, Level(level))
        speed = measure(manifest, plan, options.batch_size, workers, options.seconds)
        print(f"{level:>12}  {workers:>7}  {speed:>8,.0f}  {1000 / speed:>8.2f}", flush=True)


def read(root: Path) -> Manifest:
    """The manifest of `root` with everything in train; a folder without classes is taken as one class."""
    try:
        manifest = build_manifest(Data(source=str(root)), 0, root)
        paths = manifest.paths
    except DataError:
        paths = tuple(sorted(path.name for path in root.iterdir() if path.suffix.lower() in READABLE))
    return Manifest(root.absolute(), ("a",), paths, (0,) * len(paths), ("train",) * len(paths))


def stage(image_size: int, level: Level) -> StagePlan:
    return Recipe(name="benchmark", data=Data(image_size=image_size), augment=Augment(level=level)).plan()[0]


def measure(manifest: Manifest, plan: StagePlan, batch_size: int, workers: int, seconds: float) -> float:
    """Images per second after a first epoch that starts the processes and fills the file cache."""
    loader = Loader(manifest, "train", plan, seed=0, train=True, batch_size=batch_size, workers=workers)
    try:
        for _ in loader.epoch(1):
            pass
        images, started = 0, time.perf_counter()
        for epoch in itertools.count(2):
            for batch in loader.epoch(epoch):
                images += len(batch.labels)
            if time.perf_counter() - started >= seconds:
                return images / (time.perf_counter() - started)
    finally:
        loader.close()
    raise AssertionError


if __name__ == "__main__":
    main()
