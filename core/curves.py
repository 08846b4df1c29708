"""training_curves.png: loss, accuracy, learning rate and the gap between training and validation, by epoch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Records = Sequence[dict[str, Any]]
PANELS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    ("loss", (("train/loss", "train"), ("val/loss", "validation"), ("ema/loss", "averaged"))),
    ("accuracy", (("train/accuracy", "train"), ("val/accuracy", "validation"), ("ema/accuracy", "averaged"))),
    ("learning rate", (("run/lr", "learning rate"),)),
    ("train - validation accuracy", (("run/gap", "gap"),)),
)


def draw_curves(history: Records, path: Path, title: str, stages: tuple[tuple[str, int], ...]) -> None:
    """Write the four panels as a PNG of 1200 x 800 pixels; `stages` are (name, first epoch). Raises OSError."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 8), dpi=100, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    figure.suptitle(title)
    epochs = [int(record["epoch"]) for record in history]
    for axes, (name, curves) in zip(figure.subplots(2, 2).flat, PANELS, strict=True):
        _panel(axes, name, curves, history, epochs)
        for _, first in stages[1:]:
            axes.axvline(first - 0.5, color="grey", linewidth=0.8, linestyle=":")
    spare = path.with_name(f".{path.name}.tmp.png")
    canvas.print_png(str(spare))
    spare.replace(path)


def _panel(axes: Any, name: str, curves: tuple[tuple[str, str], ...], history: Records, epochs: list[int]) -> None:
    drawn = 0
    for key, label in curves:
        values = [_number(record.get(key)) for record in history]
        if all(math.isnan(value) for value in values):
            continue
        axes.plot(epochs, values, marker="o" if len(values) < 40 else "", markersize=3, label=label)
        drawn += 1
        if key == "val/accuracy":
            best = max((value, -index) for index, value in enumerate(values) if not math.isnan(value))
            axes.plot(epochs[-best[1]], best[0], marker="*", markersize=12, color="black", linestyle="")
            axes.annotate(f"{best[0]:.1%}", (epochs[-best[1]], best[0]), xytext=(4, -12), textcoords="offset points")
    if name.startswith("train"):
        axes.axhline(0.0, color="grey", linewidth=0.8)
    axes.set_title(name)
    axes.set_xlabel("epoch")
    axes.grid(alpha=0.3)
    if drawn > 1:
        axes.legend()


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else math.nan
