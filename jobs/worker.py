"""The worker: claims jobs for one device and supervises one child at a time. Loads no torch."""

from __future__ import annotations

import logging
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType

from db import records
from db.engine import Database, open_database
from jobs.child import CHILD, spawn
from jobs.claims import NEXT, claim, finish, held_jobs
from jobs.device import read_device, resolve_device
from jobs.failures import of_error
from jobs.ladder import Graces
from jobs.notify import Notifier
from jobs.post import beat, post, wishes
from jobs.recovery import recover_abandoned
from jobs.room import resume_with_room
from jobs.stopping import LEAVE_SIGNALS
from jobs.supervision import Supervision, adopt
from recipes.errors import DatabaseError
from recipes.home import Home

log = logging.getLogger("clf.worker")
IDLE_BEAT = 10.0  # seconds
BUSY_BEAT = 2.0
LOOK_AGAIN = 1.0  # seconds after which time alone may have made a job ready
TICK = 0.2  # while a child runs

OnTick = Callable[[int | None], None]


def work(
    home: Home,
    *,
    device: str = "auto",
    drain: bool = False,
    poll: float = 0.5,
    only: int | None = None,
    on_tick: OnTick = lambda _job_id: None,
    child: Sequence[str] = CHILD,
    graces: Graces = Graces(),  # noqa: B008 - frozen
) -> int:
    """Work the queue off on `device` until told to leave; 0, or 130 when interrupted with Ctrl-C.

    `drain` ends when nothing is left that could run, `only` when that job has ended. `on_tick` is called about five
    times a second with the running job's id. Raises QueueError when the device is missing or has its worker.
    """
    name = resolve_device(device)
    return serve(home, name, child, graces, drain=drain, poll=poll, only=only, on_tick=on_tick)


def serve(
    home: Home,
    device: str,
    child: Sequence[str],
    graces: Graces,
    *,
    drain: bool = False,
    poll: float = 0.5,
    only: int | None = None,
    on_tick: OnTick = lambda _job_id: None,
) -> int:
    """`work` on a device known by its own name."""
    database = open_database(home.create().database)
    try:
        with post(home, database, device) as worker_id:
            worker = Worker(home, database, device, worker_id, child, graces)
            return worker.run(drain=drain, poll=poll, only=only, on_tick=on_tick)
    finally:
        database.close()


class Worker:
    """One device's supervisor: at most one child at any moment."""

    def __init__(
        self, home: Home, database: Database, device: str, worker_id: int, child: Sequence[str], graces: Graces
    ) -> None:
        self.home, self.database, self.device, self.worker_id = home, database, device, worker_id
        self._child, self._graces = child, graces
        self._notifier = Notifier(home, database)
        self._current: Supervision | None = None
        self._signals: list[int] = []
        self._stop = 0  # as Worker.stop_requested
        self._reader: sqlite3.Connection = records.connect(home.database)
        self._mark = -1
        self._looked = self._beaten = self._recovered = self._roomed = -1e9

    def run(self, *, drain: bool, poll: float, only: int | None, on_tick: OnTick) -> int:
        """The loop: adopt what a predecessor left, then tick until there is a reason to leave."""
        with self._listening():
            while not self._tick(drain=drain, poll=poll, only=only):
                _tell(on_tick, self._current.job_id if self._current is not None else None)
                time.sleep(TICK if self._current is not None else min(poll, 0.5))
            _tell(on_tick, None)
        self._notifier.close()
        self._reader.close()
        return 130 if signal.SIGINT in self._signals else 0

    def _tick(self, *, drain: bool, poll: float, only: int | None) -> bool:
        """One look at everything; True when it is time to leave. A database that is locked is tried again."""
        try:
            changed = self._look()
            if self._current is None:
                self._current = self._adopted()
            if self._current is None:
                return self._idle(changed, drain=drain, poll=poll, only=only)
            self._supervise(self._current)
        except (DatabaseError, sqlite3.Error) as error:
            log.warning("%s; trying again", getattr(error, "message", error))
            time.sleep(TICK)
        return False

    def _look(self) -> bool:
        """Read what is asked of us, if anything was committed since; whether it was."""
        mark = records.change_mark(self._reader)
        changed = mark != self._mark
        if changed or self._signals:
            attempt = self._current.attempt if self._current is not None else None
            asked = wishes(self._reader, self.worker_id, attempt)
            self._stop = max(asked.stop, min(len(self._signals), 2))
            if self._current is not None:
                self._current.asked = asked
            self._mark = mark
        return changed

    def _adopted(self) -> Supervision | None:
        """A job the database says runs on our device: its worker is gone, for the device's post is ours."""
        found = self._reader.execute("SELECT 1 FROM job WHERE state = 'running' AND device = ?", (self.device,))
        if found.fetchone() is None:
            return None
        for job in held_jobs(self.database, self.device):
            return adopt(self.database, self.worker_id, job, self._graces)
        return None

    def _idle(self, changed: bool, *, drain: bool, poll: float, only: int | None) -> bool:
        now = time.monotonic()
        self._beat(now, IDLE_BEAT)
        if self._stop:
            return True
        if only is not None and self._over(only):
            return True
        if now - self._roomed >= self._graces.room:
            self._roomed = now
            resume_with_room(self.database, self._reader)
        if now - self._recovered >= BUSY_BEAT and self._others_run():
            self._recovered = now
            for job_id in recover_abandoned(self.database, self.home):
                self._notifier.job(job_id)
        if (changed or now - self._looked >= max(LOOK_AGAIN, poll)) and now - self._looked >= min(poll, 0.5) / 2:
            self._looked = now
            self._begin(only)
        return self._current is None and drain and not self._more(only)

    def _begin(self, only: int | None) -> None:
        """Claim and start the next job, if one is ready."""
        if not self._ready(only):
            return
        attempt = claim(self.database, self.home, self.worker_id, self.device, only=only)
        if attempt is None:
            return
        log.info("job #%d, attempt %d", attempt.job_id, attempt.attempt)
        try:
            child = spawn(self.home, attempt, self._child)
        except OSError as error:
            finish(self.database, attempt, of_error(error))
            self._notifier.job(attempt.job_id)
            return
        self._current = Supervision(self.database, child, self._graces)

    def _others_run(self) -> bool:
        """Whether a job runs on another device: only then is it worth asking whether its worker still lives."""
        return self._reader.execute("SELECT 1 FROM job WHERE state = 'running' LIMIT 1").fetchone() is not None

    def _ready(self, only: int | None) -> bool:
        values = {"now": time.time(), "device": self.device, "only": only}
        return self._reader.execute(NEXT, values).fetchone() is not None

    def _more(self, only: int | None) -> bool:
        """Whether something may still become ready by itself: now, or after a back-off."""
        waiting = "SELECT 1 FROM job WHERE state = 'queued' AND retry_at IS NOT NULL AND (:only IS NULL OR id = :only)"
        return self._ready(only) or self._reader.execute(waiting, {"only": only}).fetchone() is not None

    def _over(self, job_id: int) -> bool:
        row = self._reader.execute("SELECT state FROM job WHERE id = ?", (job_id,)).fetchone()
        return row is None or row[0] not in ("queued", "running")

    def _supervise(self, current: Supervision) -> None:
        if current.alive:
            self._beat(time.monotonic(), BUSY_BEAT)
            if current.guide(self._stop):
                self._notifier.job(current.job_id, "stalled")
            return
        self._beat(time.monotonic(), 0.0)  # its last seconds
        state = current.settle()
        self._current, self._looked = None, -1e9
        log.info("job #%d: %s", current.job_id, state or "belongs to another attempt")
        if state is not None:
            self._notifier.job(current.job_id, interrupted=state == "queued")

    def _beat(self, now: float, every: float) -> None:
        if now - self._beaten < every:
            return
        self._beaten = now
        current = self._current
        attempt, elapsed, resident = None, 0.0, None
        if current is not None:
            attempt, elapsed, resident = current.attempt, current.lap(), current.child.resident()
        beat(self.database, self.worker_id, read_device(self.device), attempt, elapsed, resident)

    @contextmanager
    def _listening(self) -> Iterator[None]:
        """SIGTERM, SIGINT and SIGHUP mean: checkpoint and leave; a second one means now."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._signalled) for number in LEAVE_SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _signalled(self, number: int, _frame: FrameType | None) -> None:
        self._signals.append(number)


def _tell(on_tick: OnTick, job_id: int | None) -> None:
    """Writing to a terminal that is gone fails. What ends a worker in good order is the SIGHUP that comes with it."""
    with suppress(OSError):
        on_tick(job_id)
