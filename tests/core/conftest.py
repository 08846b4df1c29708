"""Small real runs: handwritten digits, timm's own test networks, 32 pixels, fp32."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from core.data import ensure_data
from core.events import Event, result_of
from core.prepare import prepare
from core.run import Run
from core.stage import Stage, open_stage
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


@pytest.fixture
def prepared(datasets: Path, tmp_path: Path) -> Callable[[Recipe], Run]:
    """``prepared(recipe)``: a run before its first step."""

    def go(recipe: Recipe) -> Run:
        return result_of(prepare(recipe, tmp_path / "prepared", datasets=datasets, init_from=None))

    return go


@pytest.fixture
def opened(prepared: Callable[[Recipe], Run]) -> Callable[..., tuple[Run, Stage]]:
    """``opened(recipe or run, index)``: the run with that stage open, the first one unless told."""

    def go(of: Recipe | Run, index: int = 0) -> tuple[Run, Stage]:
        run = of if isinstance(of, Run) else prepared(of)
        run.position.stage = index
        return run, result_of(open_stage(run, lambda: False))

    return go
