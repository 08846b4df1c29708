"""What the app remembers between two starts ($CLF_HOME/tui.json) and what the person decided (config.toml)."""

from __future__ import annotations

import json
import tomllib
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

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


@dataclass(frozen=True)
class Chosen:
    """``[tui]`` of config.toml: keys by action id, and ASCII drawing."""

    keys: dict[str, str] = field(default_factory=dict)
    ascii: bool | None = None
    trouble: str = ""


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


def chosen(home: Home) -> Chosen:
    """``[tui.keys]`` (action id = key) and ``tui.ascii`` of config.toml; a broken file is said, not raised."""
    try:
        document = tomllib.loads(home.config.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Chosen()
    except (OSError, ValueError) as error:
        return Chosen(trouble=f"{home.config} cannot be read: {error}")
    section: dict[str, Any] = document.get("tui", {}) if isinstance(document.get("tui"), dict) else {}
    keys = section.get("keys", {})
    sound = {str(k): str(v) for k, v in keys.items()} if isinstance(keys, dict) else {}
    drawn = section.get("ascii")
    return Chosen(sound, drawn if isinstance(drawn, bool) else None)


def _path(home: Home) -> Path:
    return home.root / "tui.json"
