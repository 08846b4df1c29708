"""What the Job screen's text tabs say: the recipe and how it differs, results, events."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from db.records import EventRecord, JobRecord
from recipes import find
from recipes.errors import ClfError
from recipes.home import Home
from tui import units
from tui.screens.merged import merged_text, plain
from tui.screens.preview import differences
from tui.screens.run_files import Results
from tui.screens.side_by_side import SideBySide, in_columns

_FIGURES = {"f1": "macro F1", "top5": "top-5", "loss": "loss"}
EVENT_COLOURS = {"failed": "error", "out_of_memory": "warning", "warning": "warning", "recovered": "accent"}


def recipe_text(job: JobRecord, home: Home, inks: dict[str, str]) -> Text | Group:
    """What differs from the recipe as it is today, then the whole frozen recipe as TOML with that marked."""
    try:
        frozen: dict[str, Any] = json.loads(job.recipe)
    except ValueError:
        return Text("the recipe of this job cannot be read", inks["error"])
    text, former = Text(), dict[str, Any]()
    try:
        today = find.load(job.recipe_name, home.recipes).model_dump(mode="json")
    except ClfError:
        text.append(f"{job.recipe_name} is no longer among the recipes\n", inks["quiet"])
    else:
        changed = differences(today, frozen)
        former = {key: before for key, before, _ in changed}
        text.append("differs from the recipe in\n" if changed else "as the recipe says\n", inks["quiet"])
        for key, before, after in changed:
            text.append(f"  {key}", "bold").append(f"  {plain(before)} → ", inks["quiet"])
            text.append(f"{plain(after)}\n", inks["accent"])
    return Group(text, in_columns(merged_text(frozen, former, inks)))


def events_table(events: Sequence[EventRecord], inks: dict[str, str]) -> Table | Text:
    """Time, attempt, kind and message; the newest at the top."""
    if not events:
        return Text("nothing happened to this job yet", inks["quiet"])
    table = Table.grid(padding=(0, 2))
    for event in reversed(events):
        kind = Text(event.kind.replace("_", " "), inks.get(EVENT_COLOURS.get(event.kind, ""), ""))
        when = Text(units.clock(event.at), inks["quiet"])
        table.add_row(when, Text(f"attempt {event.attempt}", inks["quiet"]), kind, Text(event.message))
    return table


def no_results(job: JobRecord) -> str:
    """Why there are none."""
    if job.finished_at is None:
        return "no results yet: they are written when the run ends"
    return "no results: this run was not evaluated on its test images"


def results_table(found: Results, inks: dict[str, str]) -> Group:
    """Figures, the worst classes first, the most confused pairs, the surest mistakes."""
    figures = "  ".join(f"{_FIGURES.get(name, name)} {_figure(name, value)}" for name, value in found.metrics.items())
    classes = _grid(("class", "precision", "recall", "F1", "images"), inks)
    for row in sorted(found.classes, key=lambda row: float(row.get("f1", 0))):
        f1 = float(row.get("f1", 0))
        figure = Text(f"{f1:.3f}", inks["error"] if f1 < 0.5 else inks["warning"] if f1 < 0.75 else "")
        numbers = [f"{float(row.get(key, 0)):.3f}" for key in ("precision", "recall")]
        classes.add_row(Text(str(row.get("class", ""))), *numbers, figure, str(row.get("images", "")))
    mistakes = _mistakes(found, inks)
    beside = SideBySide([classes, mistakes], [Group(classes, Text(""), mistakes)])
    return Group(Text(f"{units.count(found.images, 'test image')}  {figures}\n", "bold"), beside)


def _mistakes(found: Results, inks: dict[str, str]) -> Group:
    """Which classes are taken for which, and single images."""
    parts: list[Table | Text] = []
    if found.confused:
        pairs = _grid(("most confused", "taken for", "images"), inks, words=2)
        for row in found.confused[:10]:
            pairs.add_row(*(Text(str(row.get(key, ""))) for key in ("actual", "predicted", "images")))
        parts += [pairs, Text("")]
    if found.worst:
        worst = _grid(("surest mistakes", "class", "taken for", "confidence"), inks, words=3)
        for mistake in found.worst:
            sure = float(mistake.get("confidence", 0) or 0)
            words = [Text(mistake.get(key) or "") for key in ("path", "actual", "predicted")]
            worst.add_row(*words, f"{sure:.0%}")
        parts.append(worst)
    return Group(*parts)


def _figure(name: str, value: float) -> str:
    """Shares as percentages; a loss is none."""
    return f"{value:.4f}" if "loss" in name or not 0 <= value <= 1 else units.percent(value)


def _grid(titles: Sequence[str], inks: dict[str, str], words: int = 1) -> Table:
    """The first `words` columns hold words, the others figures."""
    table = Table.grid(padding=(0, 2))
    for index, _title in enumerate(titles):
        table.add_column(justify="left" if index < words else "right")
    table.add_row(*(Text(title, inks["quiet"]) for title in titles))
    return table
