"""The flags that `enqueue`, `run` and `duplicate` share, declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from recipes.flags import FIELDS, Flags

_RECIPE = "Recipe"
_MIX = "Mixing"
_MORE = "More"


def _option(*names: str, text: str, panel: str = _RECIPE, **more: Any) -> Any:
    return typer.Option(*names, help=text, rich_help_panel=panel, show_default=False, **more)


Data = Annotated[str | None, _option("--data", "--dataset", "-d", text="A folder, 'digits' or 'food-101'.")]
Model = Annotated[str | None, _option("--model", "--backbone", "-m", text="Any timm model, or a short name.")]
Weights = Annotated[str | None, _option("--weights", metavar="FILE", text="Local weights, .safetensors or .pt.")]
Epochs = Annotated[int | None, _option("--epochs", "-e", min=1, text="Epochs of all stages together.")]
BatchSize = Annotated[str | None, _option("--batch-size", "-b", metavar="N|auto", text="Images per step.")]
ImageSize = Annotated[int | None, _option("--image-size", min=8, max=2048, text="Side in pixels.")]
Lr = Annotated[float | None, _option("--lr", text="Peak learning rate.")]
Optimizer = Annotated[str | None, _option("--optimizer", text="adamw, adam, sgd, or any of timm's.")]
Scheduler = Annotated[str | None, _option("--scheduler", text="cosine, onecycle, step, multistep, plateau, constant.")]
WarmupEpochs = Annotated[float | None, _option("--warmup-epochs", min=0, text="Linear warm-up, in epochs.")]
Dropout = Annotated[float | None, _option("--dropout", min=0, max=0.99, text="Before the classifier.")]
Mixup = Annotated[bool | None, _option("--mixup/--no-mixup", panel=_MIX, text="Mix pairs of images.")]
Cutmix = Annotated[bool | None, _option("--cutmix/--no-cutmix", panel=_MIX, text="Paste boxes between images.")]
MixupAlpha = Annotated[float | None, _option("--mixup-alpha", min=0, max=10, panel=_MIX, text="Beta parameter.")]
CutmixAlpha = Annotated[float | None, _option("--cutmix-alpha", min=0, max=10, panel=_MIX, text="Beta parameter.")]
FreezeBackbone = Annotated[bool, _option("--freeze-backbone", text="Train the classifier only.")]
DevMode = Annotated[bool | None, _option("--dev-mode/--no-dev-mode", text="Few training images (100), or all.")]
DevSamples = Annotated[int | None, _option("--dev-samples", min=2, text="How many images in development mode.")]
PrecisionFlag = Annotated[str | None, _option("--precision", text="auto, fp32, bf16 or fp16.")]
Seed = Annotated[int | None, _option("--seed", min=0, max=2**31 - 1, text="Seed of every random choice.")]
Device = Annotated[str | None, _option("--device", text="auto, cpu, mps, cuda or cuda:N.")]
ClassWeights = Annotated[str | None, _option("--class-weights", metavar="FILE", panel=_MORE, text="CSV: class,weight.")]
InitFrom = Annotated[
    str | None, _option("--init-from", metavar="JOB|FILE", panel=_MORE, text="Start from another job's best weights.")
]
MaxTime = Annotated[
    str | None, _option("--max-time", metavar="TIME", panel=_MORE, text="End cleanly after e.g. 90m or 8h.")
]
Sets = Annotated[
    list[str] | None, _option("--set", metavar="KEY=VALUE", panel=_MORE, text="Any field, e.g. optim.lr=1e-3.")
]
RecipeFile = Annotated[
    Path | None, _option("--recipe-file", metavar="FILE", panel=_MORE, text="A recipe of your own, by path.")
]


def gather(arguments: dict[str, Any]) -> Flags:
    """The Flags in a command's `locals()`; names that are not flags are passed over."""
    names = {name: arguments.get(name.replace("-", "_")) for name in FIELDS}
    names["batch-size"] = batch(names["batch-size"])
    names["max-time"] = seconds(names["max-time"])
    return Flags(
        values=names,
        mixup=arguments["mixup"],
        cutmix=arguments["cutmix"],
        dev_mode=arguments["dev_mode"],
        freeze_backbone=arguments["freeze_backbone"],
        sets=tuple(arguments["sets"] or ()),
    )


def batch(text: str | None) -> int | str | None:
    """``auto`` or a whole number from 1."""
    if text is None or text == "auto":
        return text
    if text.isdecimal() and 1 <= int(text) <= 65_536:
        return int(text)
    raise typer.BadParameter(
        f"'{text}' is neither 'auto' nor a whole number from 1 to 65536", param_hint="--batch-size"
    )


def seconds(text: str | None) -> float | None:
    """``90``, ``90s``, ``15m``, ``8h``, ``2d`` or ``1h30m`` in seconds."""
    import re

    if text is None:
        return None
    found = re.fullmatch(r"(?:(\d+(?:\.\d+)?)d)?(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?", text)
    if not found or not text:
        raise typer.BadParameter(f"'{text}' is no time; write 90s, 15m, 8h, 2d or 1h30m")
    total = sum(float(n or 0) * unit for n, unit in zip(found.groups(), (86400, 3600, 60, 1), strict=True))
    if total <= 0:
        raise typer.BadParameter("a time must be above 0")
    return total
