"""What SQLite's errors mean to the person, and refusing a database from the future; stdlib only."""

from __future__ import annotations

from pathlib import Path

from recipes.errors import DatabaseError

NEWEST = "0001"  # the newest migration, said here because asking Alembic costs more than `clf status` does

_MEANINGS = (
    ("locked", "is locked by another process", "wait for it, or look for a stuck clf process with 'ps'"),
    ("busy", "is locked by another process", "wait for it, or look for a stuck clf process with 'ps'"),
    ("full", "cannot grow: the disk is full", "make room, for example with 'clf clean', and try again"),
    ("readonly", "cannot be written", "check the permissions, or choose another folder with --home DIR or CLF_HOME"),
    ("unable to open", "cannot be opened", "check the path and its permissions, or choose another with --home DIR"),
    ("malformed", "is damaged", "restore a copy, or save what is left: sqlite3 clf.db .recover"),
    ("not a database", "is not a clf database", "move that file away, or choose another folder with --home DIR"),
    ("disk i/o", "cannot be read or written: the disk reports an error", "check the disk and its free space"),
)


def translate(error: Exception, path: Path) -> DatabaseError:
    """The DatabaseError for an error of sqlite3 or SQLAlchemy."""
    text = str(getattr(error, "orig", None) or error)
    for sign, meaning, hint in _MEANINGS:
        if sign in text.lower():
            return DatabaseError(f"{path} {meaning}", hint)
    return DatabaseError(f"{path}: {text}", "")


def refuse_newer(version: str | None, path: Path) -> None:
    """Raise DatabaseError when `version` is one this program does not know."""
    if version is not None and version > NEWEST:
        raise DatabaseError(
            f"{path} was written by a newer clf (schema {version}, this one knows {NEWEST})",
            "upgrade clf, or choose another folder with --home DIR",
        )
