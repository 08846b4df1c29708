"""Exponential smoothing that starts without bias and does not depend on how densely a curve was read."""

from __future__ import annotations

import math
from collections.abc import Sequence


def smooth(xs: Sequence[float], ys: Sequence[float | None], strength: float) -> list[float | None]:
    """The debiased exponential average of finite ys; gaps stay gaps.

    `strength` is 0 (off) to below 1: the weight of the past at a distance of one hundredth of the x range, so a
    decimated curve looks like the full one (Kingma and Ba 2015 for the correction of the start).
    """
    if strength <= 0 or len(xs) < 3 or xs[-1] <= xs[0]:
        return list(ys)
    unit = (xs[-1] - xs[0]) / 100
    average = weight = 0.0
    last: float | None = None
    smoothed: list[float | None] = []
    for x, y in zip(xs, ys, strict=True):
        if y is None or not math.isfinite(y):
            smoothed.append(None)
            continue
        keep = 0.0 if last is None else strength ** max((x - last) / unit, 0.05)
        average, weight, last = keep * average + (1 - keep) * y, keep * weight + (1 - keep), x
        smoothed.append(average / weight)
    return smoothed
