"""What the shell offers on TAB: recipe names and live job ids, read without loading anything heavy."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from recipes.home import Home
from recipes.shelf import available, normal

OFFERED = 50  # job ids, newest first


def recipe_names(incomplete: str) -> list[str]:
    """Names of recipes that begin with what was typed."""
    return [name for name in available(Home.find().recipes) if name.startswith(normal(incomplete))]


def job_ids(incomplete: str) -> list[tuple[str, str]]:
    """Ids of jobs with their name and state, newest first."""
    try:
        connection = sqlite3.connect(f"{Home.find().database.absolute().as_uri()}?mode=ro", uri=True, timeout=0.2)
        rows = connection.execute("SELECT id, name, state FROM job ORDER BY id DESC LIMIT ?", (OFFERED,)).fetchall()
        connection.close()
    except sqlite3.Error:
        return []
    return [(str(number), f"{name}, {state}") for number, name, state in rows if str(number).startswith(incomplete)]


def data_sources(incomplete: str) -> list[str]:
    """The built-in data sets and folders."""
    folder = Path(incomplete) if incomplete.endswith("/") else Path(incomplete).parent
    names = [name for name in ("digits", "food-101") if name.startswith(incomplete)]
    try:
        paths = [f"{path}/" for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
    except OSError:
        paths = []
    return names + sorted(path for path in paths if path.startswith(incomplete))
