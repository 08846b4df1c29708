"""The tables of the Compare screen: figures with the best of each column in bold, and the settings that differ."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from db.records import JobRecord
from tui import units
from tui.screens.merged import plain
from tui.screens.preview import flat
from tui.states import SIGNS, data
from tui.themes import STATE_COLOURS

# what is sorted by -> title of its column, and where the first row has the best of it
_TITLES = {"id": "#▲", "best": "best▼", "test": "test▼", "f1": "F1▼", "loss": "val loss▲"}
_SHARES = ("best_accuracy", "best_f1", "test_accuracy")


def figures_table(
    jobs: Sequence[JobRecord],
    signs: Mapping[int, Text],
    losses: Mapping[int, float],
    sort: str,
    inks: Mapping[str, str],
) -> Table:
    """How each job ended and its best metrics; where room is short, only the names give way."""
    table = Table.grid(padding=(0, 1))
    titles = [_TITLES[key] if key == sort else _TITLES[key][:-1] for key in ("best", "f1", "test", "loss")]
    best, f1, test, loss = titles
    for title, width in (("id", 5), ("state", 1), ("job", 3)):
        table.add_column(no_wrap=title != "job", min_width=width)
    for width in (6, 5, 6, 6, 9, 7):
        table.add_column(justify="right", no_wrap=True, min_width=width)
    head = (f"  {_TITLES['id'] if sort == 'id' else '#'}", "", "job", best, "epoch", f1, test, loss, "took")
    table.add_row(*(Text(title, inks["quiet"]) for title in head))
    tops = {key: max((getattr(job, key) or 0.0 for job in jobs), default=0.0) for key in _SHARES}
    lowest = min(losses.values(), default=None)
    for job in jobs:
        shares = [_share(getattr(job, key), tops[key]) for key in _SHARES]
        least = losses.get(job.id)
        table.add_row(
            signs[job.id],
            Text(SIGNS[job.state], inks[STATE_COLOURS[job.state]]),
            _short(job.name),
            shares[0],
            Text(str(job.best_epoch or "")),
            *shares[1:],
            Text("" if least is None else f"{least:.4f}", "bold" if least is not None and least == lowest else ""),
            Text(units.duration(job.elapsed_seconds) if job.elapsed_seconds else ""),
        )
    return table


def _share(value: float | None, top: float) -> Text:
    return Text("" if value is None else units.percent(value), "bold" if value is not None and value == top else "")


def settings_table(jobs: Sequence[JobRecord], signs: Mapping[int, Text], inks: Mapping[str, str]) -> Table | Text:
    """One row for each setting that is not the same in all jobs."""
    recipes = {job.id: flat(_loads(job.recipe)) for job in jobs}
    keys = dict.fromkeys(key for recipe in recipes.values() for key in recipe if not _says_nothing(key))
    differing = [key for key in keys if len({repr(recipe.get(key)) for recipe in recipes.values()}) > 1]
    if not differing:
        return Text("\nthe settings are the same", inks["quiet"])
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_row("", *(Text("") for _ in jobs))
    table.add_row(Text("setting", inks["quiet"]), *(signs[job.id] for job in jobs))
    for key in differing:
        values = [recipes[job.id].get(key) for job in jobs]
        table.add_row(Text(key), *(_short(value) for value in _sayings(key, values)))
    return table


def _sayings(key: str, values: Sequence[Any]) -> list[str]:
    """The values of a setting in words; a folder by its name where that tells it from the others."""
    said = ["–" if value is None else plain(value) for value in values]
    names = [data(value) for value in said] if key == "data.source" else said
    return names if len(set(names)) == len(set(said)) else said


def _says_nothing(key: str) -> bool:
    """Words about the recipe; a stage's name already stands in the keys of its settings."""
    return key in ("name", "description") or re.fullmatch(r"stages\.[^.]+\.name", key) is not None


def _short(text: str) -> Text:
    """On one line, whatever the column is cut to."""
    return Text(text, no_wrap=True, overflow="ellipsis")


def _loads(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
