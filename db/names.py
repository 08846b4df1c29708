"""From what a person types (`12`, `12-14`, `last`, a name, `exp-*`) to job ids; stdlib only."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence

from recipes.errors import NotFoundError, UsageError, closest

LONGEST = 120  # characters of a name


def find(conn: sqlite3.Connection, words: Sequence[str]) -> list[int]:
    """The jobs meant, in the order given and each once; raises NotFoundError, also for an empty word.

    A name several jobs share means the newest of them that has not ended, or else the newest; a pattern such as
    ``exp-*`` means every job whose name fits.
    """
    found: dict[int, None] = {}
    for text in words:
        parts = [part.strip() for part in text.split(",") if part.strip()]
        if not parts:  # a variable of a script that is not set: doing nothing would pass for success
            raise NotFoundError(f"no job is called '{text}'", "give an id: 'clf status' lists the jobs")
        for part in parts:
            found.update(dict.fromkeys(_find(conn, part)))
    return list(found)


def checked_name(name: str) -> str:
    """`name` without blanks around it; raises UsageError where it could not be typed as an id later."""
    name = name.strip()
    if not name or len(name) > LONGEST or not name.isprintable():
        raise UsageError(f"the name {name[:40]!r}: expected 1 to {LONGEST} printable characters")
    if name == "last" or re.fullmatch(r"#?\d+|\d+(-|\.\.)\d+", name) or set(name) & set(",*?["):
        raise UsageError(
            f"the name '{name}': jobs are looked up that way", "choose a name that is no id and no pattern"
        )
    return name


def _find(conn: sqlite3.Connection, word: str) -> list[int]:
    if word == "last":
        return _ids(conn, "ORDER BY id DESC LIMIT 1", (), "no job yet", "'clf enqueue RECIPE' adds one")
    if re.fullmatch(r"#?\d+", word):
        number = int(word.lstrip("#"))
        return _ids(conn, "WHERE id = ?", (number,), f"no job {number}", "'clf status' lists the jobs")
    if match := re.fullmatch(r"(\d+)(?:-|\.\.)(\d+)", word):
        first, last = int(match[1]), int(match[2])
        hint = f"did you mean {last}-{first}?" if first > last else ""
        return _ids(conn, "WHERE id BETWEEN ? AND ? ORDER BY id", (first, last), f"no job in {word}", hint)
    if set(word) & set("*?["):
        return _ids(conn, "WHERE name GLOB ? ORDER BY id", (word,), f"no job has a name like '{word}'", "")
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
