"""A contact sheet of what the network sees: each image as evaluated, augmented, and mixed with its labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from core.decode import Pixels
from core.manifest import Manifest
from core.mixing import Mixed, draw, mix
from core.reader import Reader
from core.sampler import Order
from recipes.errors import ClfError
from recipes.recipe import Recipe, StagePlan
from recipes.sections import Augment

CELL = 160  # side of a picture on the sheet, in pixels
CAPTION = 18  # height of the line below each picture
GAP = 8
AUGMENTED = 4  # epochs shown
STEPS = 200  # looked through for a mixed batch
PAPER, INK = (255, 255, 255), (40, 40, 40)


@dataclass(frozen=True)
class Column:
    """One column of the sheet: its heading, a picture and a caption per row."""

    heading: str
    pictures: Sequence[Pixels]
    captions: Sequence[str]


def contact_sheet(recipe: Recipe, manifest: Manifest, out: Path, rows: int = 8) -> Path:
    """Write a PNG to `out` with `rows` training images of different classes and return `out`.

    From left to right: as evaluated; as training sees it in the first epochs of the recipe's last stage; and, where the
    recipe mixes, the batch of these images under mixup and cutmix with labels and shares. Raises DataError, ClfError.
    """
    plan = recipe.plan()[-1]
    seed = recipe.run.seed
    indices = _choose(manifest, rows, seed)
    labels = [manifest.labels[index] for index in indices]
    names = [manifest.classes[label] for label in labels]
    plain = [_reader(manifest, plan, None, seed).image((1, index, 0)) for index in indices]
    changing = _reader(manifest, plan, plan.augment, seed)
    columns = [Column("as evaluated", plain, names)]
    columns += [
        Column(f"{plan.augment.level}, epoch {epoch}", _read(changing, indices, epoch), names)
        for epoch in range(1, AUGMENTED + 1)
    ]
    columns += _mixed_columns(plan, _read(changing, indices, AUGMENTED + 1), labels, manifest.classes, seed)
    return _save(_sheet(columns), out)


def _choose(manifest: Manifest, rows: int, seed: int) -> list[int]:
    """Training images in drawn order, a different class each as long as there is one."""
    indices = tuple(manifest.indices("train"))
    order = [index for _, index, _ in Order(indices, (), 1, seed, shuffle=True).keys(0)]
    turns: dict[int, int] = {}
    ranked = []
    for index in order:
        label = manifest.labels[index]
        turns[label] = turns.get(label, 0) + 1
        ranked.append((turns[label], index))
    return [index for _, index in sorted(ranked, key=lambda pair: pair[0])[:rows]]


def _reader(manifest: Manifest, plan: StagePlan, augment: Augment | None, seed: int) -> Reader:
    return Reader(manifest.root, manifest.paths, plan.data.image_size, plan.data.resize, augment, seed)


def _read(reader: Reader, indices: Sequence[int], epoch: int) -> list[Pixels]:
    return [reader.image((epoch, index, 0)) for index in indices]


def _mixed_columns(
    plan: StagePlan, pictures: Sequence[Pixels], labels: Sequence[int], classes: Sequence[str], seed: int
) -> list[Column]:
    """A step that takes mixup and one that takes cutmix, where the recipe has them."""
    images = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float()
    size = plan.data.image_size
    draws = [draw(plan.augment, size, size, seed=seed, step=step) for step in range(STEPS)]
    columns = []
    for name, cuts in (("mixup", False), ("cutmix", True)):
        steps = [step for step, drawn in enumerate(draws) if drawn.lam < 1.0 and (drawn.box is not None) == cuts]
        if steps:
            step = next((step for step in steps if 0.25 < draws[step].lam < 0.75), steps[0])
            mixed = mix(images, torch.tensor(labels), plan.augment, seed=seed, step=step)
            columns.append(Column(f"{name}, step {step}", _pixels(mixed), _shares(mixed, classes)))
    return columns


def _pixels(mixed: Mixed) -> list[Pixels]:
    return list(mixed.images.round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy())


def _shares(mixed: Mixed, classes: Sequence[str]) -> list[str]:
    pairs = zip(mixed.labels_a.tolist(), mixed.labels_b.tolist(), strict=True)
    return [f"{mixed.lam:.2f} {classes[a]} + {1 - mixed.lam:.2f} {classes[b]}" for a, b in pairs]


def _sheet(columns: Sequence[Column]) -> Image.Image:
    rows = len(columns[0].pictures)
    width = GAP + len(columns) * (CELL + GAP)
    sheet = Image.new("RGB", (width, GAP + CAPTION + rows * (CELL + CAPTION + GAP)), PAPER)
    pen = ImageDraw.Draw(sheet)
    for number, column in enumerate(columns):
        left = GAP + number * (CELL + GAP)
        _write(pen, left, GAP, column.heading)
        for row, (pixels, caption) in enumerate(zip(column.pictures, column.captions, strict=True)):
            top = GAP + CAPTION + row * (CELL + CAPTION + GAP)
            method = Image.Resampling.NEAREST if pixels.shape[0] <= CELL // 2 else Image.Resampling.LANCZOS
            sheet.paste(Image.fromarray(pixels).resize((CELL, CELL), method), (left, top))
            _write(pen, left, top + CELL + 2, caption)
    return sheet


def _write(pen: ImageDraw.ImageDraw, left: int, top: int, text: str) -> None:
    """One line, shortened in the middle to the width of a cell; small print where a caption has two labels."""
    font = ImageFont.load_default(size=9 if " + " in text else 12)
    shown, length = text, len(text)
    while pen.textlength(shown, font=font) > CELL and length > 4:
        length -= 1
        shown = f"{text[: length // 2]}…{text[len(text) - length // 2 :]}"
    pen.text((left, top), shown, fill=INK, font=font)


def _save(sheet: Image.Image, out: Path) -> Path:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        sheet.save(out, "PNG")
    except OSError as error:
        raise ClfError(f"cannot write {out}: {error.strerror or error}", "choose another file") from error
    return out
