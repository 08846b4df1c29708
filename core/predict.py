"""Using a trained model: image files in, class probabilities out, prepared as for its evaluation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core.checkpoint import DamagedCheckpointError, load
from core.decode import ImageError, Pixels, decode
from core.device import choose
from core.evaluate import Scorer
from core.fit import fit
from core.folders import READABLE
from core.models import Network, build
from core.precision import Numbers
from recipes.errors import ConfigurationError, DataError
from recipes.sections import Model, Resize

PART = 32  # images that pass at once


@dataclass(frozen=True)
class Answer:
    """What a model says about one image: the probability of each class, the surest first; empty where `trouble` is."""

    path: Path
    shares: dict[str, float]
    trouble: str = ""


class Classifier:
    """A model that clf trained, from ``final_model.pt`` or ``best_*.pt``; computes in float32.

    ``[answer] = Classifier(path)([photo])``, and ``answer.shares`` is ``{"rose": 0.93, "tulip": 0.07}``.
    """

    def __init__(self, path: Path, device: str = "auto") -> None:
        """Raises ConfigurationError where `path` is no checkpoint of clf, or `device` is not there."""
        content = _content(path)
        shape = content["input"]
        self.classes: tuple[str, ...] = tuple(content["classes"])
        self._size, self._resize = int(shape["image_size"]), Resize(shape["resize"])
        self.device = choose(device)
        network = _network(content, self._size).to(self.device).eval()
        self._scorer = Scorer(network, Numbers("fp32", channels_last=False), self.device, PART)

    def __call__(self, paths: Sequence[Path]) -> Iterator[Answer]:
        """An answer for each file, in order, a part of them at a time. Raises OutOfMemoryError."""
        with ThreadPoolExecutor() as threads:
            for start in range(0, len(paths), PART):
                part = paths[start : start + PART]
                yield from self._answers(part, [*threads.map(self._read, part)])

    def _answers(self, paths: Sequence[Path], read: Sequence[Pixels | str]) -> Iterator[Answer]:
        images = [pixels for pixels in read if not isinstance(pixels, str)]
        shares = iter(self._probabilities(images).tolist() if images else ())
        for path, pixels in zip(paths, read, strict=True):
            if isinstance(pixels, str):
                yield Answer(path, {}, pixels)
            else:
                ranked = sorted(zip(self.classes, next(shares), strict=True), key=lambda each: -each[1])
                yield Answer(path, dict(ranked))

    def _read(self, path: Path) -> Pixels | str:
        """The image as the network sees it, (size, size, 3) uint8, or why it cannot be read."""
        try:
            return fit(decode(path, self._size), self._size, self._resize)
        except ImageError as error:
            return error.message

    def _probabilities(self, images: Sequence[Pixels]) -> Tensor:
        """Of N images: float32 ``(N, classes)`` on the CPU."""
        batch = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
        return self._scorer(batch).softmax(dim=1).cpu()


def images_in(paths: Iterable[Path]) -> list[Path]:
    """The files named, and of the folders named every image below them, in order. Raises DataError."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            below = sorted(each for each in path.rglob("*") if _is_image(each.relative_to(path)) and each.is_file())
            if not below:
                raise DataError(f"no images in {path}", "give image files, or a folder with some")
            found += below
        elif path.exists():
            found.append(path)
        else:
            raise DataError(f"no such file: {path}", "give image files or folders")
    return found


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in READABLE and not any(part.startswith(".") for part in path.parts)


def _content(path: Path) -> dict[str, Any]:
    hint = "give a finished job, or a final_model.pt or best_*.pt of its run directory"
    try:
        content = load(path)
    except FileNotFoundError as error:
        raise ConfigurationError(f"no such file: {path}", hint) from error
    except (DamagedCheckpointError, OSError) as error:
        raise ConfigurationError(str(error), hint) from error
    if not {"classes", "input", "model", "weights"} <= content.keys():
        raise ConfigurationError(f"{path} is no checkpoint of clf", hint)
    return content


def _network(content: dict[str, Any], image_size: int) -> Network:
    network = build(Model.model_validate(content["model"]), len(content["classes"]), image_size, fetch=False)
    network.body.load_state_dict(content["weights"])
    for name in ("mean", "std"):
        values = torch.tensor(content["input"][name]).view(1, -1, 1, 1) * 255
        getattr(network, name).copy_(values)
    return network
