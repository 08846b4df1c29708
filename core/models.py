"""Building the network: any timm model with its weights, its head and its regularisation."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import torch
from timm.layers import DropPath
from torch import Tensor, nn

from core.heads import classifier_name, put_dropout, put_mlp_head
from core.names import check_model_name
from core.published import BOTH_WAYS_OUT, published_weights
from core.weights import load_backbone, read_weights
from recipes.errors import ConfigurationError
from recipes.sections import Head, Model


class Network(nn.Module):
    """A timm model behind the input transform, so that everything outside handles uint8 images alone.

    `forward` takes float images ``(N, 3, H, W)`` already normalised; `normalize` turns uint8 into those on the device.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, body: nn.Module, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.body = body
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1) * 255, persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1) * 255, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Class scores ``(N, classes)``. Raises ConfigurationError for images of a size the model cannot take."""
        try:
            scores: Tensor = self.body(images)
        except AssertionError as error:
            side = images.shape[-1]
            raise ConfigurationError(f"images of {side} px: {error}", "choose another data.image_size") from error
        return scores

    def normalize(self, images: Tensor, channels_last: bool) -> Tensor:
        """uint8 ``(N, 3, H, W)``, 0..255, to float32 with the mean and deviation the weights were trained with."""
        layout = torch.channels_last if channels_last else torch.contiguous_format
        return images.to(torch.float32, memory_format=layout).sub_(self.mean).div_(self.std)


def build(model: Model, classes: int, image_size: int, *, fetch: bool = True) -> Network:
    """The network of a recipe for `classes` classes at `image_size` pixels, on the CPU in float32.

    With `fetch` off no weights are read or downloaded: a checkpoint will fill them. Raises ConfigurationError.
    """
    name = check_model_name(model.name)
    arguments: dict[str, Any] = {"num_classes": classes}
    if model.drop_path:
        arguments["drop_path_rate"] = model.drop_path
    wants_file = model.weights is not None
    if fetch and model.pretrained and not wants_file:
        arguments |= published_weights(name)
    body = _create(name, arguments, image_size)
    by_timm = bool(model.dropout) and model.head is Head.LINEAR and not put_dropout(body, model.dropout)
    if by_timm:
        body = _create(name, {**arguments, "drop_rate": model.dropout}, image_size)
    _leave_out_own_rates(body, dropout=not by_timm, paths=not model.drop_path)
    if fetch and (model.pretrained or wants_file):
        _renew_classifier(body, classes)
    if fetch and wants_file:
        path = Path(str(model.weights)).expanduser()
        load_backbone(body, read_weights(path), path)
    if model.head is Head.MLP:
        put_mlp_head(body, classes, model.dropout)
    if model.spatial_dropout:
        _drop_channels(body, name, model.spatial_dropout)
    if model.grad_checkpointing:
        _checkpoint_gradients(body, name)
    return Network(body, *_input_statistics(body))


def _create(name: str, arguments: dict[str, Any], image_size: int) -> nn.Module:
    import timm

    config = timm.get_pretrained_cfg(name, allow_unregistered=False)
    if config is not None and config.fixed_input_size:
        arguments = {**arguments, "img_size": image_size}
    try:
        return timm.create_model(name, **arguments)
    except (TypeError, AssertionError) as error:
        raise ConfigurationError(*_refusal(name, arguments, error)) from error
    except RuntimeError as error:
        raise ConfigurationError(f"model '{name}' cannot be built: {str(error).splitlines()[0]}") from error
    except OSError as error:
        raise ConfigurationError(f"the weights of '{name}' could not be downloaded", BOTH_WAYS_OUT) from error


def _leave_out_own_rates(body: nn.Module, *, dropout: bool, paths: bool) -> None:
    """Some of timm's models bring rates of their own, Swin 0.1 of stochastic depth and GhostNet 0.2 of dropout before
    the classifier: what the recipe says holds."""
    if dropout:
        if isinstance(getattr(body, "drop_rate", None), float):
            body.drop_rate = 0.0  # type: ignore[assignment]
        if isinstance(last := getattr(getattr(body, "head", None), "drop", None), nn.Dropout):
            last.p = 0.0
    for module in body.modules() if paths else ():
        if isinstance(module, DropPath):
            module.drop_prob = 0.0


def _refusal(name: str, arguments: dict[str, Any], error: Exception) -> tuple[str, str]:
    fields = {"drop_rate": "model.dropout", "drop_path_rate": "model.drop_path", "img_size": "data.image_size"}
    for argument, field in fields.items():
        if argument in arguments and (argument in str(error) or argument == "img_size"):
            return f"model '{name}' does not take {field} = {arguments[argument]}: {error}", f"leave {field} as it is"
    return f"model '{name}' cannot be built: {error}", ""


def _renew_classifier(body: nn.Module, classes: int) -> None:
    """Give a classifier that the weights do not fill torch's own initialisation.

    Some of timm's are made for training from scratch: EfficientNet's starts a 12-class problem at a loss of 15
    instead of log(12) = 2.5, and the pretrained backbone behind it is shaken before the classifier has learnt.
    """
    config = getattr(body, "pretrained_cfg", None) or {}
    classifier = body.get_submodule(classifier_name(body))
    if isinstance(classifier, nn.Linear) and config.get("num_classes") != classes:
        classifier.reset_parameters()


def _drop_channels(body: nn.Module, name: str, probability: float) -> None:
    """Channel dropout (Tompson et al. 2015, arXiv:1411.4280) after the second convolution of every residual block,
    where timm's ResNets keep a place for DropBlock."""
    blocks = [module for module in body.modules() if hasattr(module, "drop_block")]
    if not blocks:
        raise ConfigurationError(
            f"model '{name}' has no residual bottleneck blocks for model.spatial_dropout",
            "use model.drop_path instead, or a model of the ResNet family",
        )
    for block in blocks:
        block.drop_block = nn.Dropout2d(probability)


def _checkpoint_gradients(body: nn.Module, name: str) -> None:
    switch = getattr(body, "set_grad_checkpointing", None)
    try:
        if switch is None:
            raise AssertionError
        switch(True)
    except AssertionError as error:
        raise ConfigurationError(
            f"model '{name}' does not support gradient checkpointing", "use --set model.grad_checkpointing=false"
        ) from error


def _input_statistics(body: nn.Module) -> tuple[tuple[float, ...], tuple[float, ...]]:
    from timm.data import resolve_model_data_config

    config = resolve_model_data_config(body)
    return tuple(config["mean"]), tuple(config["std"])


def set_image_size(network: Network, side: int) -> None:
    """Tell a model with a fixed input size (a transformer) the side in pixels of the images that come now."""
    body = network.body
    resize = getattr(body, "set_input_size", None)
    current = getattr(getattr(body, "patch_embed", None), "img_size", None)
    if resize is None or current is None or tuple(current) == (side, side):
        return
    known = inspect.signature(resize).parameters
    resize(**{"img_size": (side, side)} if "img_size" in known else {})


def parameter_count(network: nn.Module) -> int:
    """Number of parameters, trainable or not."""
    return sum(parameter.numel() for parameter in network.parameters())
