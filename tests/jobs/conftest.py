"""A real home and a recipe small enough to queue by the thousand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.queue import Queue
from recipes.home import Home
from recipes.recipe import Recipe


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").create()


@pytest.fixture
def recipe() -> Recipe:
    return Recipe.model_validate(
        {"name": "tiny", "data": {"source": "digits"}, "model": {"name": "test_resnet", "pretrained": False}}
    )


@pytest.fixture
def queue(home: Home) -> Iterator[Queue]:
    opened = Queue(home)
    yield opened
    opened.close()
