"""What a checkpoint holds: plain data and tensors, enough to use the weights, or to go on."""

from __future__ import annotations

import importlib.metadata
from dataclasses import asdict
from functools import cache
from typing import Any

from core.names import check_model_name
from core.run import Run, batch_size

FORMAT = 2
PACKAGES = ("clf", "torch", "torchvision", "timm", "albumentations", "numpy")


@cache
def versions() -> dict[str, str]:
    """The installed versions of what a run depends on."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def describe_model(run: Run) -> dict[str, Any]:
    """What is needed to use the weights without this recipe: plain data for checkpoints and model_info.json."""
    mean, std = (getattr(run.network, name).flatten().div(255).tolist() for name in ("mean", "std"))
    return {
        "format": FORMAT,
        "classes": list(run.manifest.classes),
        "model": run.recipe.model.model_dump(mode="json"),
        "timm_model": check_model_name(run.recipe.model.name),
        "input": {
            "image_size": run.plan.data.image_size,
            "resize": run.plan.data.resize.value,
            "mean": [round(value, 6) for value in mean],
            "std": [round(value, 6) for value in std],
        },
        "recipe": run.recipe.model_dump(mode="json"),
        "data_digest": run.manifest.digest,
        "versions": dict(versions()),
    }


def weights_content(run: Run, kind: str, metrics: dict[str, float], averaged: bool) -> dict[str, Any]:
    """The content of a checkpoint that holds one set of weights: a best or the final one."""
    source = run.average.module if averaged and run.average is not None else run.network
    return {
        **describe_model(run),
        "kind": kind,
        "averaged": averaged,
        "weights": source.body.state_dict(),
        "epoch": run.position.epoch,
        "step": run.position.step,
        "metrics": dict(metrics),
    }


def run_content(run: Run, stage_state: dict[str, Any] | None) -> dict[str, Any]:
    """The content of last_checkpoint.pt: all that a resumed run needs to go on as if nothing had happened."""
    return {
        **describe_model(run),
        "kind": "last",
        "weights": run.network.body.state_dict(),
        "average": run.average.module.body.state_dict() if run.average is not None else None,
        "stage_state": stage_state,
        "position": asdict(run.position),
        "best": asdict(run.best),
        "history": run.history.exact,
        "running": list(run.running),
        "spent": list(run.spent),
        "numbers": asdict(run.numbers),
        "micro_batch": run.micro_batch,
        "outcome": run.outcome.value,
        "batch_sizes": [batch_size(plan) for plan in run.plans],
        "seconds": run.seconds,
    }
