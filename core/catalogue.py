"""What is known of every timm model without building it: size, input, published weights, and what is on disk.

`timm_models.tsv` is written by ``python -m core.catalogue``, `timm_optimizers.txt` (timm's optimisers, a name a line)
by ``python -m core.catalogue optimizers``; reading them loads no torch.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, cast

TABLE = Path(__file__).parent / "timm_models.tsv"
OPTIMIZERS = Path(__file__).parent / "timm_optimizers.txt"


@dataclass(frozen=True)
class Entry:
    """One architecture."""

    name: str
    millions: float  # parameters with timm's 1000-class (or own) classifier, in millions
    input_size: int  # side in pixels the published weights (or the design) expect
    pretrained: bool  # timm has published weights for it


def entries(pattern: str = "*", pretrained: bool = False) -> list[Entry]:
    """The models whose name matches a shell pattern (a bare word matches anywhere in the name), by name."""
    rows = (line.split("\t") for line in TABLE.read_text(encoding="ascii").splitlines())
    found = (Entry(name, float(millions), int(size), has == "1") for name, millions, size, has in rows)
    return [entry for entry in found if matches(entry.name, pattern) and (entry.pretrained or not pretrained)]


def matches(name: str, pattern: str) -> bool:
    """Whether `name` is meant by a shell pattern, or holds a bare word."""
    return fnmatch(name, pattern if any(sign in pattern for sign in "*?[") else f"*{pattern}*")


def optimizers() -> list[str]:
    """The names of timm's optimisers, in its order."""
    return OPTIMIZERS.read_text(encoding="ascii").split()


def cached(names: list[str]) -> set[str]:
    """Of `names`, those whose weights lie in the local Hugging Face cache, where timm keeps downloads, and whole."""
    home = Path(os.environ.get("HF_HOME", "~/.cache/huggingface")).expanduser()
    folder = Path(os.environ.get("HF_HUB_CACHE", home / "hub"))
    try:
        files = folder.glob("models--timm--*/snapshots/*/*")
        held = {
            path.parts[-4].removeprefix("models--timm--").partition(".")[0] for path in files if _holds_weights(path)
        }
    except OSError:
        return set()
    return held & set(names)


def _holds_weights(path: Path) -> bool:
    return path.suffix in (".safetensors", ".bin", ".pth") and path.is_file()


def build() -> str:
    """The table, made by building every model of the installed timm without memory for its weights (minutes)."""
    import timm
    import torch

    lines = []
    for name in timm.list_models():
        with torch.device("meta"):
            model = timm.create_model(name, pretrained=False)
        millions = sum(parameter.numel() for parameter in model.parameters()) / 1e6
        size = int(cast(dict[str, Any], model.pretrained_cfg).get("input_size", (3, 224, 224))[-1])
        lines.append(f"{name}\t{millions:.1f}\t{size}\t{int(timm.is_model_pretrained(name))}")
    return "\n".join(lines) + "\n"


def build_optimizers() -> str:
    """The names of the optimisers of the installed timm, one a line."""
    from timm.optim import list_optimizers

    return "".join(f"{name}\n" for name in list_optimizers())


if __name__ == "__main__":
    sys.stdout.write(build_optimizers() if sys.argv[1:] == ["optimizers"] else build())
