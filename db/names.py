"""From what a person types (`12`, `12-14`, `last`, a name) to job ids; stdlib only."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence

from recipes.errors import NotFoundError, closest


def find(conn: sqlite3.Connection, words: Sequence[str]) -> list[int]:
    """The jobs meant, in the order given and each once; raises NotFoundError.

    A name several jobs share means the newest of them that has not ended, or else the newest.
    """
    found: list[int] = []
    for word in (part for text in words for part in text.split(",") if part.strip()):
        found += [job_id for job_id in _find(conn, word.strip()) if job_id not in found]
    return found


def _find(conn: sqlite3.Connection, word: str) -> list[int]:
    if word == "last":
        return _ids(conn, "ORDER BY id DESC LIMIT 1", (), "no job yet", "'clf enqueue RECIPE' adds one")
    if re.fullmatch(r"#?\d+", word):
        number = int(word.lstrip("#"))
        return _ids(conn, "WHERE id = ?", (number,), f"no job {number}", "'clf status' lists the jobs")
    if match := re.fullmatch(r"(\d+)(?:-|\.\.)(\d+)", word):
        first, last = int(match[1]), int(match[2])
        return _ids(conn, "WHERE id BETWEEN ? AND ? ORDER BY id", (first, last), f"no job in {word}", "")
    rest = "WHERE name = ? ORDER BY finished_at IS NOT NULL, id DESC LIMIT 1"
    return _ids(conn, rest, (word,), f"no job named '{word}'", "")


def _ids(conn: sqlite3.Connection, rest: str, values: tuple[int | str, ...], problem: str, hint: str) -> list[int]:
    try:
        ids = [int(row[0]) for row in conn.execute(f"SELECT id FROM job {rest}", values)]
    except OverflowError:
        ids = []
    if not ids:
        raise NotFoundError(problem, hint or _near(conn, values))
    return ids


def _near(conn: sqlite3.Connection, values: tuple[int | str, ...]) -> str:
    names = [str(row[0]) for row in conn.execute("SELECT DISTINCT name FROM job")]
    return closest(str(values[0]), names) or "'clf status' lists the jobs"
