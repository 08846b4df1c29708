"""evaluation/: the report per class, the confusion matrix and every prediction on the test split."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from core.artifacts import write_json, write_text
from core.manifest import Manifest

SHOWN_NAMES = 40  # classes whose names fit beside the picture of the confusion matrix
SHOWN_PAIRS = 20

Floats = npt.NDArray[np.float32]
Counts = npt.NDArray[np.int64]


def write_report(
    folder: Path, manifest: Manifest, indices: list[int], probabilities: Floats, metrics: dict[str, float]
) -> None:
    """Write report.json, report.csv, confusion_matrix.csv and .png, and predictions.csv into `folder`.

    `probabilities` ``(N, classes)`` float32 belong to the images `indices` of the manifest.
    """
    folder.mkdir(exist_ok=True)
    labels = np.array([manifest.labels[index] for index in indices])
    predicted = probabilities.argmax(axis=1)
    counts = confusion(labels, predicted, len(manifest.classes))
    rows = per_class(counts, manifest.classes)
    report = {
        "images": len(indices), **metrics, "classes": rows, "most_confused": most_confused(counts, manifest.classes)
    }  # fmt: skip
    write_json(folder / "report.json", report)
    header = ["class", "precision", "recall", "f1", "images"]
    write_text(folder / "report.csv", as_csv([header, *([row[key] for key in header] for row in rows)]))
    matrix = [["actual \\ predicted", *manifest.classes]]
    matrix += [[name, *map(str, line)] for name, line in zip(manifest.classes, counts.tolist(), strict=True)]
    write_text(folder / "confusion_matrix.csv", as_csv(matrix))
    write_text(folder / "predictions.csv", as_csv(_predictions(manifest, indices, labels, predicted, probabilities)))
    draw_confusion(counts, manifest.classes, folder / "confusion_matrix.png")


def confusion(labels: npt.NDArray[Any], predicted: npt.NDArray[Any], classes: int) -> Counts:
    """``(classes, classes)`` counts: rows are actual classes, columns predicted ones."""
    flat = np.bincount(labels * classes + predicted, minlength=classes * classes)
    return flat.reshape(classes, classes).astype(np.int64)


def per_class(counts: Counts, names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Precision, recall, F1 (0..1, 0 where undefined) and the number of images of each class."""
    right, given, answered = counts.diagonal(), counts.sum(axis=1), counts.sum(axis=0)
    return [
        {
            "class": name,
            "precision": float(right[i] / max(answered[i], 1)),
            "recall": float(right[i] / max(given[i], 1)),
            "f1": float(2 * right[i] / max(given[i] + answered[i], 1)),
            "images": int(given[i]),
        }
        for i, name in enumerate(names)
    ]


def most_confused(counts: Counts, names: tuple[str, ...]) -> list[dict[str, Any]]:
    """The pairs of classes most often taken for one another, the worst first."""
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:SHOWN_PAIRS]
    pairs = [divmod(int(place), len(names)) for place in order]
    return [{"actual": names[a], "predicted": names[b], "images": int(wrong[a, b])} for a, b in pairs if wrong[a, b]]


def _predictions(
    manifest: Manifest, indices: list[int], labels: Counts, predicted: Counts, probabilities: Floats
) -> list[list[str]]:
    """One line per image, the surest mistakes first, then the least sure right answers."""
    sure = probabilities[np.arange(len(labels)), predicted]
    true = probabilities[np.arange(len(labels)), labels]
    order = np.argsort(np.where(predicted == labels, sure + 2.0, 1.0 - sure), kind="stable")
    header = ["path", "actual", "predicted", "correct", "confidence", "probability_of_actual"]
    rows = [
        [
            manifest.paths[indices[i]],
            manifest.classes[labels[i]],
            manifest.classes[predicted[i]],
            "yes" if predicted[i] == labels[i] else "no",
            f"{sure[i]:.6f}",
            f"{true[i]:.6f}",
        ]
        for i in order.tolist()
    ]
    return [header, *rows]


def as_csv(rows: list[list[Any]]) -> str:
    """Rows as CSV text."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def draw_confusion(counts: Counts, names: tuple[str, ...], path: Path) -> None:
    """The confusion matrix as a PNG; colour is the share of the actual class."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    side = min(16.0, 4.0 + 0.3 * len(names))
    figure = Figure(figsize=(side + 1.5, side), dpi=100, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure.colorbar(axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0), label="share of the actual class")
    axes.set(xlabel="predicted", ylabel="actual")
    if len(names) <= SHOWN_NAMES:
        axes.set_xticks(range(len(names)), names, rotation=90)
        axes.set_yticks(range(len(names)), names)
    if len(names) <= SHOWN_NAMES // 2:
        for (row, column), count in np.ndenumerate(counts):
            if count:
                shade = "white" if shares[row, column] > 0.5 else "black"
                axes.text(column, row, str(count), ha="center", va="center", color=shade, fontsize=8)
    canvas.print_png(str(path))
