"""What the app remembers between two starts ($CLF_HOME/tui.json)."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from recipes.home import Home
from tui.themes import DEFAULT


@dataclass
class Remembered:
    """Layout, sort and theme; written when they change."""

    theme: str = DEFAULT
    sort: str = ""  # a column; empty: the queue's own order
    reverse: bool = False
    filter: str = ""
    group: str = ""  # "state", "recipe", "data"; empty: one list
    smoothing: float = 0.0
    log_y: bool = False
    x_axis: str = "epoch"
    details: bool = True  # the pane beside or below the table


def load(home: Home) -> Remembered:
    """What was remembered; anything unreadable or of the wrong type is as if it were not there."""
    try:
        found = json.loads(_path(home).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return Remembered()
    remembered = Remembered()
    for known in fields(Remembered):
        value = found.get(known.name) if isinstance(found, dict) else None
        if type(value) is type(getattr(remembered, known.name)):
            setattr(remembered, known.name, value)
    return remembered


def save(home: Home, remembered: Remembered) -> None:
    """Write it beside the old one and rename; a home that cannot be written is no reason to disturb."""
    try:
        beside = _path(home).with_suffix(".json.new")
        beside.write_text(json.dumps(asdict(remembered), indent=1) + "\n", encoding="utf-8")
        beside.replace(_path(home))
    except OSError:
        return


def _path(home: Home) -> Path:
    return home.root / "tui.json"
