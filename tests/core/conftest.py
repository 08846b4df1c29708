"""Small real runs: handwritten digits, timm's own test networks, 32 pixels, fp32."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from core.data import ensure_data
from core.events import Event
from core.train import train
from recipes.find import load
from recipes.merge import assignments, merge
from recipes.recipe import Recipe
from recipes.sections import Data

SMALL: dict[str, Any] = {
    "data": {"samples": 48, "image_size": 32, "workers": 0},
    "model": {"name": "test_resnet", "pretrained": False},
    "schedule": {"warmup_epochs": 0},
    "run": {"epochs": 2, "batch_size": 16, "precision": "fp32", "channels_last": False, "checkpoint_every": 0},
}


@pytest.fixture(scope="session")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A datasets folder with the digits in it."""
    folder = tmp_path_factory.mktemp("home") / "datasets"
    for _ in ensure_data(Data(source="digits"), folder):
        pass
    return folder


@pytest.fixture(autouse=True)
def _repeatable() -> Iterator[None]:
    torch.manual_seed(0)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def recipe() -> Callable[..., Recipe]:
    """``recipe("optim.lr=1e-3", ...)``: two epochs over 48 digits with the settings given."""

    def make(*settings: str, name: str = "demo", **sections: Any) -> Recipe:
        return load(name, overrides=merge(merge(SMALL, assignments(list(settings))), sections))

    return make


@pytest.fixture
def run(datasets: Path, tmp_path: Path) -> Callable[..., list[Event]]:
    """``run(recipe)``: train it in ``tmp_path/name`` to its end and return the events."""

    def go(recipe: Recipe, name: str = "run", **options: Any) -> list[Event]:
        return list(train(recipe, tmp_path / name, datasets=datasets, **options))

    return go
