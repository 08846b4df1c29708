"""What the global options decided, for every command of this process; and reading the database."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from recipes.errors import DatabaseError, NotFoundError
from recipes.home import Home

home = Home(Path())  # set by the callback of tui.cli before any command runs
debug: bool = False


def reader() -> sqlite3.Connection:
    """A read-only connection; NotFoundError says how to begin when nothing was queued yet."""
    from db import records

    if not home.database.exists():
        raise NotFoundError(f"nothing was ever queued in {home.root}", "add a job with 'clf enqueue RECIPE'")
    try:
        return records.connect(home.database)
    except sqlite3.Error as error:
        raise DatabaseError(f"cannot read {home.database}: {error}", "is it a database of clf?") from error
