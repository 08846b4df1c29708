"""Weights from files: local ones, another run's checkpoint; and how well they fit."""

from __future__ import annotations

import pickle
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from core.heads import classifier_name, output_layer_name
from recipes.errors import ConfigurationError


@dataclass(frozen=True)
class Fit:
    """How a file's tensors fit a model: names that matched, and a line for each that did not."""

    matched: int
    expected: int
    misfits: tuple[str, ...]


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors file or of a .pt/.pth file that loads with ``weights_only=True``.

    A state dict may lie under ``state_dict``, ``model`` or ``weights`` (clf's own checkpoints). Raises
    ConfigurationError when the file is missing or holds no weights.
    """
    return _state_dict(_content(path), path)


def _content(path: Path) -> Any:
    """What lies in a weights file: tensors and plain data."""
    if not path.is_file():
        raise ConfigurationError(f"no weights file {path}", "check model.weights (--weights FILE)")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        raise _not_weights(path, error) from error
    except Exception as error:  # safetensors' own error derives from Exception alone
        raise _not_weights(path, error) from error


def _not_weights(path: Path, error: Exception) -> ConfigurationError:
    first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
    return ConfigurationError(
        f"{path} is not a weights file: {first_line[:160]}",
        "clf reads .safetensors, and .pt files that hold only tensors and plain data",
    )


def _state_dict(content: Any, path: Path) -> dict[str, Tensor]:
    for key in ("weights", "state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if isinstance(content, dict):
        tensors = {
            str(name).removeprefix("module."): value for name, value in content.items() if isinstance(value, Tensor)
        }
        if tensors:
            return tensors
    raise ConfigurationError(f"{path} holds no weights", "it needs a state dict: names of parameters to tensors")


def load_backbone(model: nn.Module, tensors: dict[str, Tensor], path: Path) -> Fit:
    """Copy `tensors` into `model`; the classifier may differ, anything else must fit.

    Raises ConfigurationError saying how many tensors matched and the first reason.
    """
    prefix = classifier_name(model)
    fit = copy_fitting(model, tensors)
    wrong = [line for line in fit.misfits if not line.startswith((f"{prefix}.", f"{prefix}:"))]
    if wrong:
        raise ConfigurationError(
            f"{path} does not fit {model_title(model)}: {fit.matched} of {fit.expected} tensors matched; {wrong[0]}",
            "give the weights of this architecture in timm's names, or choose the model they belong to",
        )
    return fit


def start_from(model: nn.Module, path: Path, classes: Sequence[str]) -> tuple[str, ...]:
    """Copy what fits from another run's weights; a line for every tensor that did not.

    The last layer fits only where that run told the same `classes` apart: as many others would be mistaken for them.
    A new one has torch's own initialisation, whatever the model's. Raises ConfigurationError when nothing fits, or the
    file holds no weights.
    """
    content, last = _content(path), output_layer_name(model)
    known = content.get("classes") if isinstance(content, dict) else None
    others = isinstance(known, list) and known != list(classes)
    fit = copy_fitting(model, _state_dict(content, path), without=last if others else None)
    if fit.matched == 0:
        raise ConfigurationError(f"nothing in {path} fits the model", "start from a run of the same architecture")
    layer = model.get_submodule(last)
    if isinstance(layer, nn.Linear) and any(line.startswith(f"{last}.weight:") for line in fit.misfits):
        layer.reset_parameters()
    return tuple(f"{path.name}: {line}" for line in fit.misfits)


def copy_fitting(model: nn.Module, tensors: dict[str, Tensor], *, without: str | None = None) -> Fit:
    """Copy every tensor whose name and shape fit into `model`; list those that do not.

    The layer `without` is left as it is: it tells other classes apart. A transformer's position embedding is resampled
    where it belongs to another image size.
    """
    own = model.state_dict()
    odd = [name for name, value in tensors.items() if name in own and own[name].shape != value.shape]
    if odd:
        resampled = _resampled(model, tensors)
        tensors = tensors | {
            name: resampled[name] for name in odd if name in resampled and resampled[name].shape == own[name].shape
        }
    misfits = []
    fitting = {}
    for name, value in own.items():
        given = tensors.get(name)
        if given is None:
            if not name.endswith("num_batches_tracked"):
                misfits.append(f"{name}: not in the file")
        elif given.shape != value.shape:
            misfits.append(f"{name}: shape {tuple(given.shape)} in the file, {tuple(value.shape)} in the model")
        elif without is not None and name.startswith(f"{without}."):
            misfits.append(f"{name}: of other classes than this data's, so it begins anew")
        else:
            fitting[name] = given
    misfits.extend(f"{name}: not in the model" for name in tensors if name not in own)
    model.load_state_dict(fitting, strict=False)
    return Fit(len(fitting), len(own), tuple(misfits))


def _resampled(model: nn.Module, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """`tensors` as timm would load them into `model`; nothing where it has no rule for it, or for other files."""
    adapt = getattr(sys.modules[type(model).__module__], "checkpoint_filter_fn", None)
    try:
        with warnings.catch_warnings(action="ignore"):
            return dict(adapt(dict(tensors), model)) if adapt is not None else {}
    except Exception:  # a rule made for another origin's names; what does not fit is told by name
        return {}


def model_title(model: nn.Module) -> str:
    """The architecture's name as timm knows it."""
    config = getattr(model, "pretrained_cfg", None) or {}
    return str(config.get("architecture") or type(model).__name__)
