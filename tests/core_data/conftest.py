"""Image folders made on the spot, and the photographs beside the project where they are present."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.manifest import Manifest, build_manifest
from recipes.find import load
from recipes.recipe import Recipe, StagePlan
from recipes.sections import Data

SHARED = Path(__file__).parents[3] / "shared" / "data"


def write_image(path: Path, seed: int = 0, size: tuple[int, int] = (12, 10)) -> Path:
    """A small random picture, smooth enough for JPEG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(path)
    return path


def write_folder(root: Path, counts: Mapping[str, int], suffix: str = ".png", size: tuple[int, int] = (12, 10)) -> Path:
    """``{"train/cat": 3}`` -> three different images in root/train/cat."""
    for folder, count in counts.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            write_image(root / folder / f"{number:03d}{suffix}", hash_of(folder) + number, size)
    return root


def hash_of(text: str) -> int:
    return sum(ord(letter) * 31**place for place, letter in enumerate(text)) % 1_000_003


def data_of(root: Path | str, **fields: object) -> Data:
    return Data.model_validate({"source": str(root), **fields})


def manifest_of(root: Path, seed: int = 0, **fields: object) -> Manifest:
    return build_manifest(data_of(root, **fields), seed, root / "no-datasets")


def recipe_of(
    root: Path | str, *, size: int = 32, augment: Mapping[str, object] | None = None, **data: object
) -> Recipe:
    sections = {
        "data": {"source": str(root), "image_size": size, "resize": "crop", **data},
        "augment": dict(augment or {}),
    }
    return load("demo", overrides=sections)


def plan_of(root: Path | str, **fields: object) -> StagePlan:
    return recipe_of(root, **fields).plan()[0]  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of 15, 11 and 8 images of 48 x 40 pixels, JPEG."""
    root = tmp_path_factory.mktemp("pictures")
    return write_folder(root, {"cat": 15, "dog": 11, "owl": 8}, ".jpg", (48, 40))


@pytest.fixture(scope="session")
def flowers() -> Path:
    return _shared("flowers12")


@pytest.fixture(scope="session")
def photos() -> Path:
    return _shared("photos")


def _shared(name: str) -> Path:
    if not (SHARED / name).is_dir():
        pytest.skip(f"no {SHARED / name}: the data for measurements is not beside the project")
    return SHARED / name
