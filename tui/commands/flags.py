"""The flags that stand for fields of a recipe, declared once and given to every command that takes a recipe."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from recipes.errors import UsageError
from recipes.flags import FIELDS, Flags
from tui.commands.times import seconds

_RECIPE = "Recipe"
_MIX = "Mixing"
_MORE = "More"


def _option(*names: str, text: str, panel: str = _RECIPE, **more: Any) -> Any:
    return typer.Option(*names, help=text, rich_help_panel=panel, show_default=False, **more)


FLAGS: dict[str, Any] = {  # parameter of a command -> its type and option
    "data": Annotated[str | None, _option("--data", "--dataset", "-d", text="A folder, 'digits' or 'food-101'.")],
    "model": Annotated[str | None, _option("--model", "--backbone", "-m", text="Any timm model, or a short name.")],
    "weights": Annotated[str | None, _option("--weights", metavar="FILE", text="Local weights, .safetensors or .pt.")],
    "epochs": Annotated[int | None, _option("--epochs", "-e", min=1, text="Epochs of all stages together.")],
    "batch_size": Annotated[str | None, _option("--batch-size", "-b", metavar="N|auto", text="Images per step.")],
    "image_size": Annotated[int | None, _option("--image-size", min=8, max=2048, text="Side in pixels.")],
    "lr": Annotated[float | None, _option("--lr", text="Peak learning rate.")],
    "optimizer": Annotated[str | None, _option("--optimizer", text="adamw, adam, sgd, or any of timm's.")],
    "scheduler": Annotated[
        str | None, _option("--scheduler", text="cosine, onecycle, step, multistep, plateau, constant.")
    ],
    "warmup_epochs": Annotated[float | None, _option("--warmup-epochs", min=0, text="Linear warm-up, in epochs.")],
    "dropout": Annotated[float | None, _option("--dropout", min=0, max=0.99, text="Before the classifier.")],
    "mixup": Annotated[bool | None, _option("--mixup/--no-mixup", panel=_MIX, text="Mix pairs of images.")],
    "cutmix": Annotated[bool | None, _option("--cutmix/--no-cutmix", panel=_MIX, text="Paste boxes between images.")],
    "mixup_alpha": Annotated[float | None, _option("--mixup-alpha", min=0, max=10, panel=_MIX, text="Beta parameter.")],
    "cutmix_alpha": Annotated[
        float | None, _option("--cutmix-alpha", min=0, max=10, panel=_MIX, text="Beta parameter.")
    ],
    "freeze_backbone": Annotated[bool, _option("--freeze-backbone", text="Train the classifier only.")],
    "dev_mode": Annotated[bool | None, _option("--dev-mode/--no-dev-mode", text="Few training images (100), or all.")],
    "dev_samples": Annotated[int | None, _option("--dev-samples", min=2, text="How many images in development mode.")],
    "precision": Annotated[str | None, _option("--precision", text="auto, fp32, bf16 or fp16.")],
    "seed": Annotated[int | None, _option("--seed", min=0, max=2**31 - 1, text="Seed of every random choice.")],
    "device": Annotated[str | None, _option("--device", text="auto, cpu, mps, cuda or cuda:N.")],
    "class_weights": Annotated[
        str | None, _option("--class-weights", metavar="FILE", panel=_MORE, text="CSV: class,weight.")
    ],
    "init_from": Annotated[
        str | None,
        _option("--init-from", metavar="JOB|FILE", panel=_MORE, text="Start from another job's best weights."),
    ],
    "max_time": Annotated[
        str | None, _option("--max-time", metavar="TIME", panel=_MORE, text="End cleanly after e.g. 90m or 8h.")
    ],
    "sets": Annotated[
        list[str] | None, _option("--set", metavar="KEY=VALUE", panel=_MORE, text="Any field, e.g. optim.lr=1e-3.")
    ],
}
RecipeFile = Annotated[
    Path | None, _option("--recipe-file", metavar="FILE", panel=_MORE, text="A recipe of your own, by path.")
]


def takes_flags(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of FLAGS (all, or those named): it gets them together, as `given`."""
    wanted = {name: FLAGS[name] for name in names or FLAGS}

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        command.__annotations__.pop("given")  # a name for the type checker alone, not known when this runs
        own = [each for each in inspect.signature(command, eval_str=True).parameters.values() if each.name != "given"]
        theirs = [
            inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None, annotation=kind)
            for name, kind in wanted.items()
        ]

        @functools.wraps(command)
        def called(**arguments: Any) -> None:
            command(given=gather({name: arguments.pop(name, None) for name in FLAGS}), **arguments)

        first = [each for each in own if each.default is inspect.Parameter.empty]
        signature = inspect.Signature([*first, *theirs, *(each for each in own if each not in first)])
        called.__signature__ = signature  # type: ignore[attr-defined]
        called.__annotations__ = {each.name: each.annotation for each in signature.parameters.values()}
        return called

    return decorate


def gather(arguments: dict[str, Any]) -> Flags:
    """The Flags of a command's arguments by name; raises UsageError for a batch size or a time that is none."""
    values = {name: arguments[name.replace("-", "_")] for name in FIELDS}
    values["batch-size"] = _batch(values["batch-size"])
    if values["max-time"] is not None:
        values["max-time"] = seconds(values["max-time"], "--max-time")
    return Flags(
        values=values,
        mixup=arguments["mixup"],
        cutmix=arguments["cutmix"],
        dev_mode=arguments["dev_mode"],
        freeze_backbone=bool(arguments["freeze_backbone"]),
        sets=tuple(arguments["sets"] or ()),
    )


def _batch(text: str | None) -> int | str | None:
    """``auto`` or a whole number from 1."""
    if text is None or text == "auto":
        return text
    if text.isdecimal() and 1 <= int(text) <= 65_536:
        return int(text)
    raise UsageError(
        f"--batch-size {text}: neither 'auto' nor a whole number from 1 to 65536", "for example --batch-size 32"
    )
