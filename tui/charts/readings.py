"""Series that were read before: smoothing, zooming and coming back read nothing, and a running job only what is new."""

from __future__ import annotations

import sqlite3
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from dataclasses import dataclass

from db import records
from db.curves import Row
from db.records import JobRecord, Series

FINE = 600  # spans that are kept of a series: ten times what a chart in two columns shows, so that zoom reads nothing
ROOM = 60  # series, of at most 4 * FINE readings


@dataclass
class Kept:
    """A series up to a step, as it was for a job's record."""

    job: JobRecord
    rows: list[Row]
    last: int


class Readings:
    """The series read lately; for one thread."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, str, str], Kept] = OrderedDict()

    def series(
        self,
        connection: sqlite3.Connection,
        job: JobRecord,
        split: str,
        name: str,
        columns: int,
        window: tuple[float, float] | None = None,
    ) -> Series:
        """About two readings for each of `columns` spans; where that is finer than what is kept, only of `window`."""
        kept = self._current(connection, job, split, name)
        rows = kept.rows
        if columns > FINE and window is not None and len(rows) > 2 * FINE:
            rows = self._closely(connection, kept, split, name, columns, window)
        elif len(rows) > 3 * columns:
            rows = thinned(rows, columns)
        return Series(f"{split}/{name}", tuple(row[1] for row in rows), tuple(row[2] for row in rows))

    def _current(self, connection: sqlite3.Connection, job: JobRecord, split: str, name: str) -> Kept:
        key = (job.id, split, name)
        kept = self._kept.get(key)
        if kept is None or (kept.job != job and not _continues(kept.job, job)):
            last = records.last_step(connection, *key)
            kept = Kept(job, records.points(connection, *key, columns=FINE, until=last) if last >= 0 else [], last)
        elif kept.job != job:
            last = records.last_step(connection, *key)
            if last > kept.last:
                kept.rows += records.points(connection, *key, columns=FINE, after=kept.last, until=last)
            kept.job, kept.last = job, last
            if len(kept.rows) > 4 * FINE:
                kept.rows = thinned(kept.rows, FINE)
        self._kept[key] = kept
        self._kept.move_to_end(key)
        while len(self._kept) > ROOM:
            self._kept.popitem(last=False)
        return kept

    def _closely(
        self,
        connection: sqlite3.Connection,
        kept: Kept,
        split: str,
        name: str,
        columns: int,
        window: tuple[float, float],
    ) -> list[Row]:
        """The steps of the window, and a little before it for what is smoothed."""
        epochs = [row[1] for row in kept.rows]
        low, high = window
        first = max(0, bisect_left(epochs, low - (high - low) / 2) - 1)
        last = min(len(epochs) - 1, bisect_right(epochs, high) + 1)
        share = (epochs[last] - epochs[first]) / max(1e-9, epochs[-1] - epochs[0])
        near = max(40, round(columns * share))
        after, until = kept.rows[first][0] - 1, kept.rows[last][0]
        return records.points(connection, kept.job.id, split, name, columns=near, after=after, until=until)


def _continues(before: JobRecord, now: JobRecord) -> bool:
    """Whether the run only went on: its earlier readings are what they were."""
    same_try = (before.attempt, before.started_at) == (now.attempt, now.started_at)
    return same_try and before.state == "running" and now.step >= before.step


def thinned(rows: list[Row], columns: int) -> list[Row]:
    """The lowest and the highest reading of each of `columns` spans of steps, and both ends."""
    first, length = rows[0][0], rows[-1][0] - rows[0][0] + 1
    lowest: dict[int, Row] = {}
    highest: dict[int, Row] = {}
    for row in rows:
        span, value = (row[0] - first) * columns // length, row[2]
        low, high = lowest.get(span), highest.get(span)
        if low is None or high is None:
            lowest[span] = highest[span] = row
        elif value is not None:
            if low[2] is None or value < low[2]:
                lowest[span] = row
            if high[2] is None or value > high[2]:
                highest[span] = row
    return sorted({*lowest.values(), *highest.values(), rows[0], rows[-1]}, key=lambda row: row[0])
