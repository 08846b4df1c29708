"""Reading a run directory for the screen: log, results, versions; whatever is missing is simply not there yet."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

TAIL_BYTES = 400_000  # of a log, at first
WORST = 12
SHARES = ("precision", "recall", "f1")  # of a class
SEVERITIES = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


@dataclass
class LogReader:
    """Follows a growing file; `lines` gives what is new since the last call."""

    path: Path
    _offset: int | None = None
    _rest: str = ""

    def lines(self) -> list[str] | None:
        """New complete lines; None when there is no file. A file that shrank is read again from its start."""
        try:
            size = self.path.stat().st_size
            with self.path.open("rb") as file:
                cut = self._offset is None and size > TAIL_BYTES
                if self._offset is None:
                    self._offset = max(0, size - TAIL_BYTES)
                if size < self._offset:
                    self._offset, self._rest = 0, ""
                file.seek(self._offset)
                new = file.read(max(0, size - self._offset))
        except OSError:
            return None
        self._offset += len(new)
        text = self._rest + new.decode("utf-8", errors="replace").replace("\r\n", "\n")
        *found, self._rest = text.split("\n")
        return found[1:] if cut else found


def severity(line: str) -> int:
    """Index into SEVERITIES of the word a line carries; lines without one (tracebacks) count as INFO."""
    head = line[:60]
    return next((i for i in (4, 3, 2, 0) if SEVERITIES[i] in head), 1)


@dataclass(frozen=True)
class Results:
    """What evaluation/ holds: figures, rows per class, confused pairs, the surest mistakes."""

    images: int
    metrics: dict[str, float]
    classes: list[dict[str, Any]]
    confused: list[dict[str, Any]]
    worst: list[dict[str, str]] = field(default_factory=list)


def results(run_dir: Path) -> Results | None:
    """None before the run was evaluated, or when its files are gone or damaged."""
    report = _json(run_dir / "evaluation" / "report.json")
    if report is None:
        return None
    numbers = {k: float(v) for k, v in report.items() if isinstance(v, int | float) and k != "images"}
    worst: list[dict[str, str]] = []
    try:
        with (run_dir / "evaluation" / "predictions.csv").open(newline="", encoding="utf-8") as file:
            worst = [row for row in islice(csv.DictReader(file), WORST) if row.get("correct") == "no"]
        for row in worst:
            float(row.get("confidence") or 0)
    except (OSError, csv.Error, ValueError):
        worst = []
    try:
        classes = [{**row, **{key: float(row[key]) for key in SHARES}} for row in report["classes"]]
        confused = [dict(row) for row in report["most_confused"]]
        return Results(int(report["images"]), numbers, classes, confused, worst)
    except (KeyError, TypeError, ValueError):
        return None


def versions(run_dir: Path) -> dict[str, str]:
    """Package -> version, as the run wrote them down; empty before it did."""
    info = _json(run_dir / "model_info.json") or {}
    found = info.get("versions", {})
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}


def _json(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
