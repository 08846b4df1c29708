"""Which schema a database file was written with; stdlib only, nothing is changed."""

from __future__ import annotations

import sqlite3
from pathlib import Path


def written_version(path: Path) -> str | None:
    """The migration `path` stands at; None when the file is missing or empty. Raises sqlite3.Error when damaged."""
    if not path.exists():
        return None
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=30.0)
    try:
        return version_of(connection)
    finally:
        connection.close()


def version_of(connection: sqlite3.Connection) -> str | None:
    """The migration the open database stands at; None when it has no tables yet."""
    named = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone()
    if named is None:
        return None
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row else None
