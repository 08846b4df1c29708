"""Metrics and samples as curves, thinned in SQL to what a screen can show; stdlib only.

A chart of N columns cannot show more than a lowest and a highest value per column, so no more than those two leave
the database, whether a series has a hundred points or a million.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass


@dataclass(frozen=True)
class Series:
    """A curve, decimated: xs rise; a None in ys is a value that was not finite."""

    name: str  # "val/accuracy"
    xs: tuple[float, ...]
    ys: tuple[float | None, ...]


READINGS = ("allocated", "reserved", "peak", "device_used", "resident", "utilization", "temperature", "power")
_OF_SERIES = "FROM metric WHERE job_id = :job AND split = :split AND name = :name"
_EXTREME = f"""
    SELECT step, epoch, {{pick}}(value) AS value {_OF_SERIES}
    GROUP BY (step - :first) * :columns / (:last - :first + 1)
"""  # SQLite takes step and epoch from the row that holds the extreme: sqlite.org/lang_select.html#bareagg


def series(conn: sqlite3.Connection, job_id: int, split: str, name: str, *, columns: int = 200) -> Series:
    """One metric over epochs: all of it when short, else the lowest and highest value of each of `columns` spans."""
    values = {"job": job_id, "split": split, "name": name, "columns": max(1, columns)}
    first, last, count = conn.execute(f"SELECT min(step), max(step), count(*) {_OF_SERIES}", values).fetchone()
    if count <= 2 * columns:
        rows = conn.execute(f"SELECT epoch, value {_OF_SERIES} ORDER BY step", values).fetchall()
    else:
        values |= {"first": first, "last": last}
        thinned = f"{_EXTREME.format(pick='min')} UNION {_EXTREME.format(pick='max')}"
        ends = f"SELECT step, epoch, value {_OF_SERIES} AND step IN (:first, :last)"
        rows = conn.execute(f"SELECT epoch, value FROM ({thinned} UNION {ends}) ORDER BY step", values).fetchall()
    return Series(f"{split}/{name}", tuple(row[0] for row in rows), tuple(row[1] for row in rows))


def places(conn: sqlite3.Connection, job_id: int, *, columns: int = 200) -> list[tuple[float, int, float]]:
    """(epoch, step, Unix time) of the training-loss readings in rising order, about `columns` of them.

    They turn a curve over epochs into one over steps or over time; an attempt's pause is a jump in time.
    """
    loss = "FROM metric WHERE job_id = :job AND split IN ('step', 'train') AND name = 'loss'"
    values = {"job": job_id, "columns": max(1, columns)}
    first, last = conn.execute(f"SELECT min(step), max(step) {loss}", values).fetchone()
    if first is None:
        return []
    query = (
        f"SELECT max(epoch), step, at {loss} GROUP BY (step - :first) * :columns / (:last - :first + 1) ORDER BY step"
    )
    start = conn.execute(f"SELECT epoch, step, at {loss} AND step = :first", values | {"first": first}).fetchone()
    rows = [tuple(row) for row in conn.execute(query, values | {"first": first, "last": last})]
    return rows if rows[0][1] == first else [tuple(start), *rows]


def samples(conn: sqlite3.Connection, job_id: int, *, columns: int = 200) -> dict[str, Series]:
    """Memory and device readings over the seconds since the first sample; a reading never taken is left out."""
    first, last, count = conn.execute(
        "SELECT min(at), max(at), count(*) FROM sample WHERE job_id = ?", (job_id,)
    ).fetchone()
    if not count:
        return {}
    if count <= 2 * columns:
        picks = ", ".join(READINGS)
        rows = conn.execute(f"SELECT at, at, {picks}, {picks} FROM sample WHERE job_id = ? ORDER BY at", (job_id,))
    else:
        lows, highs = (", ".join(f"{pick}({reading})" for reading in READINGS) for pick in ("min", "max"))
        span = f"CAST((at - ?2) * {int(columns)} / (?3 - ?2 + 0.001) AS INTEGER)"
        rows = conn.execute(
            f"SELECT min(at), max(at), {lows}, {highs} FROM sample WHERE job_id = ?1 GROUP BY {span} ORDER BY 1",
            (job_id, first, last),
        )
    return _curves(rows.fetchall(), first)


def _curves(rows: list[sqlite3.Row], first: float) -> dict[str, Series]:
    found: dict[str, Series] = {}
    for index, reading in enumerate(READINGS):
        points = [point for row in rows for point in _pair(row, index, first)]
        if points:
            found[reading] = Series(reading, tuple(x for x, _ in points), tuple(y for _, y in points))
    return found


def _pair(row: sqlite3.Row, index: int, first: float) -> list[tuple[float, float]]:
    """The lowest and the highest value of a span, or one point where they are the same."""
    low, high = row[2 + index], row[2 + len(READINGS) + index]
    if low is None:
        return []
    if low == high:
        return [(row[1] - first, low)]
    return [(row[0] - first, low), (row[1] - first, high)]
