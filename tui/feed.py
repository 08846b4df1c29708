"""Reading the database off the event loop: one thread with one connection, asked cheaply whether anything changed."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from db import records
from db.records import JobRecord, WorkerRecord
from recipes.errors import ClfError
from recipes.home import Home
from tui.charts.album import Album
from tui.charts.panels import View
from tui.charts.picture import Picture

T = TypeVar("T")
LIVENESS_SECONDS = 2.0  # a worker killed with SIGKILL commits nothing, so its locks are looked at this often


@dataclass(frozen=True)
class Overview:
    """Everything the queue screen shows; `trouble` says why it may be old."""

    jobs: tuple[JobRecord, ...] = ()
    workers: tuple[WorkerRecord, ...] = ()
    paused: bool = False
    trouble: str = ""
    by_id: dict[int, JobRecord] = field(default_factory=dict, compare=False, repr=False)


class Feed:
    """The reading side of the app; every coroutine runs its query in the feed's own thread."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="clf-feed")
        self._album = Album()
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None  # device and inode behind the connection
        self._mark: int | None = None
        self._last = Overview()
        self._workers_at = 0.0

    async def overview(self, force: bool = False) -> Overview | None:
        """The queue as it is now, or None when nothing changed since the last call."""
        return await self._in_thread(lambda: self._overview(force))

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T | None:
        """`query` with the feed's connection; None while there is no database or it cannot be read."""
        return await self._in_thread(lambda: self._read(query))

    async def pictures(self, job: JobRecord, view: View, keys: Sequence[str]) -> dict[str, Picture] | None:
        """The charts of a job, from memory where nothing about them changed."""
        return await self.read(lambda connection: self._album.pictures(connection, job, view, keys))

    def close(self) -> None:
        """Close the connection in its own thread and end that; a query in flight is not waited for."""
        self._thread.submit(self._forget)
        self._thread.shutdown(wait=False)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _read(self, query: Callable[[sqlite3.Connection], T]) -> T | None:
        try:
            return query(self._open())
        except (sqlite3.Error, ClfError):
            return None

    def _open(self) -> sqlite3.Connection:
        """The connection to the file that has the database's name now: another may have been put in its place."""
        file = _identity(self.home.database)
        if file is None or file != self._file:
            self._forget()
        if self._connection is None:
            self._connection = records.connect(self.home.database, timeout=0.5)
            self._mark, self._file = None, file
        return self._connection

    def _forget(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _overview(self, force: bool) -> Overview | None:
        if not self.home.database.exists():
            self._forget()
            return self._changed(Overview(), force)
        try:
            connection = self._open()
            mark = records.change_mark(connection)
            if mark == self._mark and not force and time.monotonic() - self._workers_at < LIVENESS_SECONDS:
                return None
            if mark == self._mark:
                fresh = Overview(self._last.jobs, self._workers(), self._last.paused)
            else:
                fresh = Overview(tuple(records.jobs(connection)), self._workers(), records.queue_paused(connection))
            self._mark = mark
        except (sqlite3.Error, ClfError) as error:
            self._forget()
            fresh = Overview(self._last.jobs, self._last.workers, self._last.paused, _said(error))
        return self._changed(fresh, force)

    def _changed(self, fresh: Overview, force: bool) -> Overview | None:
        if fresh == self._last and not force:
            return None
        self._last = Overview(
            fresh.jobs, fresh.workers, fresh.paused, fresh.trouble, {job.id: job for job in fresh.jobs}
        )
        return self._last

    def _workers(self) -> tuple[WorkerRecord, ...]:
        from jobs.liveness import live_workers

        self._workers_at = time.monotonic()
        return tuple(live_workers(self.home))


def _identity(database: Path) -> tuple[int, int] | None:
    try:
        found = database.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _said(error: Exception) -> str:
    text = str(error)
    if "locked" in text or "busy" in text:
        return "the database is locked; showing the last reading"
    return f"the database cannot be read ({text}); showing the last reading"
