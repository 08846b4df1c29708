"""A training that hangs for good: ``hanging.py FOLDER step|loader|save|validation``, with what a child listens for."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import time
from pathlib import Path

import torch
from torch.nn.modules.module import register_module_forward_pre_hook

from core.checkpoint import LAST
from core.events import StageStarted
from core.models import Network
from core.train import train
from recipes.recipe import Recipe
from tests.core_data.conftest import write_folder


def hang_in_pass(training: bool) -> None:
    def hook(module: torch.nn.Module, _inputs: object) -> None:
        if isinstance(module, Network) and torch.is_grad_enabled() is training:
            time.sleep(3600)

    register_module_forward_pre_hook(hook)


def hang_at(path: Path) -> None:
    """Whoever opens `path` now waits for another process that never comes."""
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def main(folder: Path, where: str) -> None:
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    data = write_folder(folder / "data", {"train/a": 4, "train/b": 4, "val/a": 2, "val/b": 2})
    recipe = Recipe.model_validate(
        {
            "name": "hanging",
            "data": {"source": str(data), "image_size": 32, "workers": 1 if where == "loader" else 0},
            "model": {"name": "test_resnet", "pretrained": False},
            "run": {"epochs": 1, "batch_size": 4, "precision": "fp32", "channels_last": False},
        }
    )
    for event in train(recipe, folder / "run", datasets=folder / "datasets"):
        if not isinstance(event, StageStarted):
            continue
        if where in ("step", "validation"):
            hang_in_pass(where == "step")
        elif where == "loader":
            hang_at(next((data / "train" / "a").glob("*")))
        else:
            hang_at(folder / "run" / f"..{LAST}.new.tmp")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
