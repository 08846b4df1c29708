"""Metrics and samples as curves, thinned in SQL to what a screen can show; stdlib only.

A chart of N columns cannot show more than a lowest and a highest value per column, so no more than those two leave
the database, whether a series has a hundred points or a million.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Series:
    """A curve, decimated: xs rise; a None in ys is a value that was not finite."""

    name: str  # "val/accuracy"
    xs: tuple[float, ...]
    ys: tuple[float | None, ...]


READINGS = ("allocated", "reserved", "peak", "device_used", "resident", "utilization", "temperature", "power")
_OF_SERIES = "FROM metric WHERE job_id = :job AND split = :split AND name = :name"
_WITHIN = f"{_OF_SERIES} AND step > :after AND step <= :until"
_EXTREME = f"SELECT step, epoch, {{pick}}(value) {_OF_SERIES} AND step >= :low AND step < :high"
# SQLite takes step and epoch from the row that holds the extreme: sqlite.org/lang_select.html#bareagg
_LAST = "SELECT epoch, step, at FROM metric WHERE job_id = ? AND split = ? AND name = 'loss'"
_LAST += " AND step >= ? AND step < ? ORDER BY step DESC LIMIT 1"

_PLACES = ("epoch", "step", "at")

Row = tuple[int, float, float | None]  # step, epoch, value


def series(conn: sqlite3.Connection, job_id: int, split: str, name: str, *, columns: int = 200) -> Series:
    """One metric over epochs: all of it when short, else the lowest and highest value of each of `columns` spans."""
    found = points(conn, job_id, split, name, columns=columns)
    return Series(f"{split}/{name}", tuple(row[1] for row in found), tuple(row[2] for row in found))


def points(
    conn: sqlite3.Connection,
    job_id: int,
    split: str,
    name: str,
    *,
    columns: int = 200,
    after: int = -1,
    until: int = 2**62,
) -> list[Row]:
    """The same as (step, epoch, value), of the steps above `after` up to `until`.

    A span is a range of the primary key, so a series of 450,000 rows takes two passes and no sorting: 30 ms, where one
    query grouped by span took 110 ms.
    """
    values: dict[str, object] = {"job": job_id, "split": split, "name": name, "after": after, "until": until}
    few = 2 * max(1, columns) + 1
    query = f"SELECT step, epoch, value {_WITHIN} ORDER BY step LIMIT :few"
    found: list[Row] = [tuple(row) for row in conn.execute(query, values | {"few": few})]
    return found if len(found) < few else _thinned(conn, values, max(1, columns))


def last_step(conn: sqlite3.Connection, job_id: int, split: str, name: str) -> int:
    """The step of the newest reading; -1 where there is none."""
    values = {"job": job_id, "split": split, "name": name}
    (step,) = conn.execute(f"SELECT max(step) {_OF_SERIES}", values).fetchone()
    return -1 if step is None else int(step)


def _thinned(conn: sqlite3.Connection, values: dict[str, object], columns: int) -> list[Row]:
    first, last = (conn.execute(f"SELECT {pick}(step) {_WITHIN}", values).fetchone()[0] for pick in ("min", "max"))
    ends = f"SELECT step, epoch, value {_OF_SERIES} AND step IN (:first, :last)"
    kept: dict[int, Row] = {row[0]: tuple(row) for row in conn.execute(ends, values | {"first": first, "last": last})}
    for low, high in _spans(first, last, columns):
        for pick in ("min", "max"):
            row = conn.execute(_EXTREME.format(pick=pick), values | {"low": low, "high": high}).fetchone()
            if row[0] is not None:
                kept[row[0]] = tuple(row)
    return [kept[step] for step in sorted(kept)]


def _spans(first: int, last: int, columns: int) -> list[tuple[int, int]]:
    """`columns` stretches from first to last, each up to but without its end."""
    length = last - first + 1
    edges = [first - -index * length // columns for index in range(columns + 1)]
    return [(low, high) for low, high in pairwise(edges) if high > low]


def places(conn: sqlite3.Connection, job_id: int, *, columns: int = 200) -> list[tuple[float, int, float]]:
    """(epoch, step, Unix time) of the training-loss readings in rising order, about `columns` of them and the first.

    They turn a curve over epochs into one over steps or over time; an attempt's pause is a jump in time.
    """
    loss = "FROM metric WHERE job_id = ? AND split = ? AND name = 'loss'"
    found: dict[int, tuple[float, int, float]] = {}
    for split in ("train", "step"):
        first = conn.execute(f"SELECT epoch, step, at {loss} ORDER BY step LIMIT 1", (job_id, split)).fetchone()
        if first is None:
            continue
        found[first[1]] = tuple(first)
        (last,) = conn.execute(f"SELECT max(step) {loss}", (job_id, split)).fetchone()
        for low, high in _spans(first[1], last, max(1, columns)):
            row = conn.execute(_LAST, (job_id, split, low, high)).fetchone()
            if row is not None:
                found[row[1]] = tuple(row)
    return [found[step] for step in sorted(found)]


def reading(
    conn: sqlite3.Connection, job_id: int, split: str, name: str, x: float, *, by: str = "epoch"
) -> tuple[float, float | None] | None:
    """The one reading of a metric nearest to `x`, exactly as recorded: (its x, its value); None where there is none.

    `by` says what x counts: "epoch", "step", or "at" (Unix seconds). All three rise together along the primary key, so
    about twenty look-ups halve the way to it, however long the series is.
    """
    values = {"job": job_id, "split": split, "name": name}
    first, last = (conn.execute(f"SELECT {pick}(step) {_OF_SERIES}", values).fetchone()[0] for pick in ("min", "max"))
    if first is None:
        return None
    one = f"SELECT step, {by if by in _PLACES else 'epoch'}, value {_OF_SERIES}"
    low, high = first, last
    while low < high:  # the first step whose x is not below the wanted one
        middle = (low + high) // 2
        row = conn.execute(f"{one} AND step > :at ORDER BY step LIMIT 1", values | {"at": middle}).fetchone()
        below = conn.execute(f"{one} AND step <= :at ORDER BY step DESC LIMIT 1", values | {"at": middle}).fetchone()
        if below[1] >= x:
            high = below[0]
        else:
            low = row[0]
    around = conn.execute(f"{one} AND step <= :at ORDER BY step DESC LIMIT 2", values | {"at": low}).fetchall()
    nearest = min(around, key=lambda row: (abs(row[1] - x), row[0]))
    return nearest[1], nearest[2]


def sample_at(conn: sqlite3.Connection, job_id: int, seconds: float) -> dict[str, float]:
    """The readings of the sample nearest to `seconds` after the first one; those never taken are left out."""
    picks = ", ".join(READINGS)
    (first,) = conn.execute("SELECT min(at) FROM sample WHERE job_id = ?", (job_id,)).fetchone()
    if first is None:
        return {}
    one = f"SELECT at, {picks} FROM sample WHERE job_id = ? AND at"
    rows = conn.execute(f"{one} <= ? ORDER BY at DESC LIMIT 1", (job_id, first + seconds)).fetchall()
    rows += conn.execute(f"{one} > ? ORDER BY at LIMIT 1", (job_id, first + seconds)).fetchall()
    nearest = min(rows, key=lambda row: abs(row[0] - first - seconds))
    return {name: value for name, value in zip(READINGS, nearest[1:], strict=True) if value is not None}


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
