"""docs/augmentation.md, written from the code: ``python -m core.augmentation_table > docs/augmentation.md``."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from core.fit import CROP_SHARE, PADDING
from core.levels import ERASING, LEVELS, VERTICAL_FLIP, Step, rotation
from core.operations import GROUPS, Operation
from recipes.sections import Level, RandAugment

_INTRODUCTION = """\
# Augmentation

<!-- Written by `python -m core.augmentation_table`; a test fails when this page and the code differ. -->

Training images are changed at random, evaluation images never are. What happens to an image is a function of the
recipe's seed, the epoch and the image alone: it does not depend on the number of loader processes, on the batch, or
on whether the run was resumed. `clf preview RECIPE --data DIR` shows what the network sees. The names below are
transforms of albumentations 2.0; settings that are not named are its defaults. A range is drawn from evenly.
Rotation, affine and perspective fill the corners by reflection.

## How an image becomes a square

`data.resize` decides how an evaluation image becomes a square: `crop` takes the middle (its side {crop:g} of the
shorter side), `letterbox` keeps the whole image and pads it with grey {padding}, `squash` keeps all of it
and gives up its proportions. In training, `none` does the same; the other levels crop at random out of the whole image
(`crop`), or out of a letterboxed or squashed square 1.5 times as large. Shrinking averages areas.

JPEG files whose shorter side is at least 4, 8 or 16 times the image size are decoded at 1/2, 1/4 or 1/8.
"""

_MIXING = """
## Mixing

mixup and cutmix act on the batch, on the device, after everything above. In each batch, `augment.mix_probability`
decides whether it is mixed; where both are on, `augment.cutmix_share` decides which of the two. Image i is mixed with
its neighbour i - 1 of the batch.

- mixup (Zhang et al. 2017, arXiv:1710.09412): `lam` from Beta(`mixup_alpha`, `mixup_alpha`);
  image = lam * a + (1 - lam) * b.
- cutmix (Yun et al. 2019, arXiv:1905.04899): `lam` from Beta(`cutmix_alpha`, `cutmix_alpha`); a rectangle with area
  share 1 - lam around a random centre comes from b. `lam` is then corrected to the share of pixels that are really
  a's, because the border cuts off part of the rectangle.

The loss is lam * L(a) + (1 - lam) * L(b). Training accuracy counts in the same way: a prediction that hits label a
earns lam, one that hits b earns 1 - lam. It is therefore lower than the accuracy on unmixed images and not comparable
with validation accuracy. `augment.mix_off_epochs` switches mixing off for the last epochs of a run.
"""


_LEVELS = """
## Levels

Probability of each change, in the order in which they are applied. Tones, Blur and Noise draw one of their transforms.

{table}
`augment.horizontal_flip = false` leaves out HorizontalFlip, for letters and digits. `augment.vertical_flip` adds
VerticalFlip with probability {flip:g}. `augment.rotation` turns by up to so many degrees with probability {turn:g}, in
place of the level's Rotate; `augment.affine` adds Affine as it is in `strong` where the level has none.
`augment.random_erasing` is the probability of {erasing} ({settings}; Zhong et al. 2017, arXiv:1708.04896), applied
last.
"""

_RANDAUGMENT = """
## RandAugment

After Cubuk et al. 2019 (arXiv:1909.13719), in three groups, after the level. Each group is applied with probability
`p` (default {p:g}); then `n` (default {n}) different operations of it are drawn and applied in drawn order, each at
magnitude `m` of 10 (default {m:g}). Signs are drawn.

{table}"""


def page() -> str:
    """The whole page as Markdown."""
    levels = _LEVELS.format(
        table="".join(_level_table()),
        flip=VERTICAL_FLIP.p,
        turn=rotation(0).p,
        erasing=ERASING.transform,
        settings=_settings(ERASING.settings),
    )
    randaugment = _RANDAUGMENT.format(table="".join(_operation_table()), **RandAugment().model_dump())
    return _INTRODUCTION.format(crop=CROP_SHARE, padding=PADDING) + levels + randaugment + _MIXING


def _level_table() -> Iterator[str]:
    levels = [level for level in Level if level is not Level.NONE]
    yield f"| change | {' | '.join(f'`{level}`' for level in levels)} |\n"
    yield f"|---|{'---|' * len(levels)}\n"
    for name in _in_order(levels):
        cells = (_cell(next((s for s in LEVELS[level] if s.transform == name), None)) for level in levels)
        yield f"| {name} | {' | '.join(cells)} |\n"


def _in_order(levels: Sequence[Level]) -> list[str]:
    """Every change of any level; the strongest level has them all, in the order of application."""
    names = dict.fromkeys(step.transform for level in reversed(levels) for step in LEVELS[level])
    return list(names)


def _cell(step: Step | None) -> str:
    if step is None:
        return "-"
    inner = "; ".join(f"{choice.transform} {_settings(choice.settings)}".strip() for choice in step.among)
    return f"**{step.p:g}** {inner or _settings(step.settings)}".strip()


def _settings(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_value(value)}" for name, value in settings.items())


def _value(value: Any) -> str:
    if isinstance(value, tuple):
        low, high = value
        return f"±{high:g}" if low == -high else f"{low:.3g} to {high:.3g}"
    return str(value)


def _operation_table() -> Iterator[str]:
    yield "| group | operation | transform | at m = 9 | at m = 10 |\n|---|---|---|---|---|\n"
    for group, operations in GROUPS.items():
        for operation in operations:
            cells = (_strength(operation, share) for share in (0.9, 1.0))
            yield f"| {group} | {operation.name} | {operation.transform} | {' | '.join(cells)} |\n"


def _strength(operation: Operation, share: float) -> str:
    if not operation.largest:
        return "always whole"
    return f"{'±' if operation.signed else ''}{operation.largest * share:.3g}"


if __name__ == "__main__":
    sys.stdout.write(page())
