"""Axes: limits that show every value, ticks at round numbers, and how a number on an axis is written."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from enum import StrEnum
from itertools import pairwise


class Unit(StrEnum):
    """What the numbers of an axis are."""

    NUMBER = "number"
    PERCENT = "percent"  # a share, 0..1
    BYTES = "bytes"
    SECONDS = "seconds"
    EPOCH = "epoch"
    STEP = "step"
    CELSIUS = "celsius"
    WATT = "watt"


WHOLE = (Unit.EPOCH, Unit.STEP)
_MINUTES = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)


def limits(values: Iterable[float], margin: float = 0.04) -> tuple[float, float]:
    """Lowest and highest finite value with a little air; a constant gets room on both sides; none at all: 0 to 1."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return 0.0, 1.0
    low, high = min(finite), max(finite)
    span = high - low
    if not math.isfinite(span):
        return low / 2, high / 2
    if span <= max(abs(low), abs(high)) * 1e-9:
        room = abs(high) * 0.1 or 0.5
        return low - room, high + room
    return low - span * margin, high + span * margin


def ticks(low: float, high: float, count: int, unit: Unit = Unit.NUMBER) -> list[float]:
    """At most about `count` round numbers within [low, high]: multiples of 1, 2 or 5, of a minute for seconds."""
    span = high - low
    if count < 1 or span <= 0 or not math.isfinite(span):
        return []
    step = _step(span / count, unit)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [index * step for index in range(first, min(last, first + 4 * count) + 1)]


def _step(least: float, unit: Unit) -> float:
    if unit is Unit.SECONDS:
        for whole in _MINUTES:
            if whole >= least:
                return float(whole)
        return 86400.0 * math.ceil(least / 86400)
    scale = 10.0 ** math.floor(math.log10(least))
    step = next(scale * factor for factor in (1, 2, 5, 10) if scale * factor >= least * (1 - 1e-9))
    return max(1.0, step) if unit in WHOLE else step


def labels(values: Sequence[float], unit: Unit = Unit.NUMBER) -> list[str]:
    """The ticks written alike: as many decimals as tell them apart."""
    if unit is Unit.SECONDS:
        return [_clock(value) for value in values]
    if unit in WHOLE:
        return [f"{value:g}" if value != round(value) else f"{round(value):d}" for value in values]
    if unit is Unit.BYTES:
        return _bytes(values)
    suffix = {Unit.PERCENT: "%", Unit.CELSIUS: "°", Unit.WATT: " W"}.get(unit, "")
    shown = [value * 100 for value in values] if unit is Unit.PERCENT else list(values)
    largest = max((abs(value) for value in shown), default=0.0)
    if largest and (largest < 1e-3 or largest >= 1e6):
        return [_scientific(value) + suffix for value in shown]
    decimals = _decimals(shown)
    return [f"{value:.{decimals}f}{suffix}" for value in shown]


def number(value: float, unit: Unit = Unit.NUMBER) -> str:
    """One exact reading, for legends and the cursor."""
    if not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf"
    if unit is Unit.PERCENT:
        return f"{value * 100:.1f}%"
    if unit is Unit.BYTES:
        return _bytes([value])[0]
    if unit is Unit.SECONDS:
        return _clock(value)
    if unit in WHOLE:
        return f"{value:.2f}".rstrip("0").rstrip(".")
    if unit in (Unit.CELSIUS, Unit.WATT):
        return f"{value:.0f}{'°C' if unit is Unit.CELSIUS else ' W'}"
    if value and (abs(value) < 1e-3 or abs(value) >= 1e6):
        return f"{value:.2e}".replace("e-0", "e-").replace("e+0", "e+")
    return f"{value:.4f}" if abs(value) < 100 else f"{value:.1f}"


def _decimals(values: Sequence[float]) -> int:
    gaps = [abs(after - before) for before, after in pairwise(values) if after != before]
    least = min(gaps, default=max((abs(value) for value in values), default=1.0) / 10 or 1.0)
    return max(0, min(6, -math.floor(math.log10(least) + 1e-9)))


def _scientific(value: float) -> str:
    if value == 0:
        return "0"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"


def _bytes(values: Sequence[float]) -> list[str]:
    largest = max((abs(value) for value in values), default=0.0)
    scale, name = next(((s, n) for s, n in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB")) if largest >= s), (1e3, "kB"))
    shown = [value / scale for value in values]
    decimals = _decimals(shown) if len(shown) > 1 else (1 if name in ("GB", "TB") else 0)
    return [f"{value:.{min(decimals, 2)}f} {name}" for value in shown]


def _clock(seconds: float) -> str:
    whole = round(abs(seconds))
    sign = "-" if seconds < 0 else ""
    if whole < 60:
        return f"{sign}{whole}s"
    if whole < 3600:
        return f"{sign}{whole // 60}m" + (f"{whole % 60:02d}" if whole % 60 else "")
    return f"{sign}{whole // 3600}h" + (f"{whole % 3600 // 60:02d}" if whole % 3600 // 60 else "")
