"""Watching one child: the stop ladder, stalls, and the record of its end."""

from __future__ import annotations

import logging
import signal
import time

from db.engine import Database
from db.models import Job, State
from jobs.child import LOG, Child
from jobs.claims import Held, finish, held_columns, mine, started
from jobs.ending import End, Ending
from jobs.ladder import Graces, Ladder, Rung, Want
from jobs.ledger import note
from jobs.post import Wishes
from jobs.recovery import ending_of_orphan, orphan
from jobs.stacks import place

log = logging.getLogger("clf.worker")
STACK_SECONDS = 2.0  # for the stacks of a stalled child to reach its log


class Supervision:
    """An attempt in progress. `asked` is what the database wishes of it, kept fresh by the worker."""

    def __init__(self, database: Database, child: Child, graces: Graces, row: Job | None = None) -> None:
        self.child = child
        self.attempt: Held = child.attempt
        self.job_id = child.attempt.job_id
        self.asked = Wishes()
        self._database = database
        self._ladder = Ladder(graces)
        self._row = row  # of an adopted child
        self._noted = row is not None
        self._progress: object = None
        self._moved = self._looked = time.monotonic()
        self._stalled: str | None = None
        self._lap = time.monotonic()

    @property
    def alive(self) -> bool:
        return self.child.alive

    def lap(self) -> float:
        """Seconds since the last lap, by a clock nobody sets."""
        before, self._lap = self._lap, time.monotonic()
        return self._lap - before

    def guide(self, worker_stop: int) -> bool:
        """Write down the child, climb the stop ladder, look for a stall; True when a stall was found just now."""
        if not self._noted:
            self._noted = self.child.pid is not None and started(
                self._database, self.attempt, self.child.pid, self.child.started or 0.0
            )
        want = self._want(worker_stop)
        if want == Want.GO_ON and self._ladder.rung is not None:
            self._ladder.reset()
            self._show(None)
        rung = self._ladder.step(want, time.monotonic())
        if rung is not None:
            self._climb(rung)
        return want == Want.GO_ON and self._look_for_stall()

    def settle(self) -> State | None:
        """Record how the dead child ended; None when the attempt was stale."""
        self.child.sweep()
        return finish(self._database, self.attempt, self._ending())

    def _ending(self) -> Ending:
        if self._row is not None and self._stalled is None:
            ending = ending_of_orphan(self._row, self.child)
        else:
            ending = self.child.ending(stalled=self._stalled)
        if ending.end == End.DIED and self._ladder.rung == Rung.KILL:
            return Ending(End.STOPPED, message="killed by its worker: it was to leave")
        return ending

    def _want(self, worker_stop: int) -> Want:
        if not self.asked.mine or self.asked.cancel >= 2 or worker_stop >= 2:
            return Want.DIE
        if worker_stop:
            return Want.LEAVE_NOW
        return Want.LEAVE if self.asked.cancel or self.asked.pause else Want.GO_ON

    def _climb(self, rung: Rung) -> None:
        """Act first, record second: a locked database does not keep a child alive."""
        if rung == Rung.TERM:
            self.child.signal(signal.SIGTERM)
        elif rung == Rung.KILL:
            self.child.kill()
        self._show(rung)

    def _show(self, rung: Rung | None) -> None:
        with self._database.transaction() as session:
            if mine(session.connection(), self.attempt, "stop_stage = :rung", rung=rung):
                message = f"stopping: {rung}" if rung is not None else "goes on"
                note(session, self.job_id, "stop", message, self.attempt.attempt)

    def _look_for_stall(self) -> bool:
        """End an attempt whose progress has not changed for its stall_timeout, by a clock that stops in a suspend."""
        now = time.monotonic()
        if self._stalled is not None or not self.attempt.stall_timeout or now - self._looked < 1.0:
            return False
        self._looked = now
        progress = held_columns(self._database, self.attempt, "progress_at, phase, message")
        if progress != self._progress or self.child.suspended:
            self._progress, self._moved = progress, now
            return False
        if now - self._moved < self.attempt.stall_timeout:
            return False
        phase = f"in phase {progress[1]}" if progress is not None and progress[1] else ""
        where = self._place() or phase
        self._stalled = f"{self.attempt.stall_timeout:.0f} s {where}".rstrip()
        log.warning("job #%d: no progress for %s", self.job_id, self._stalled)
        self.child.kill()
        return True

    def _place(self) -> str | None:
        """Where the child hangs, by the stacks it is made to write into its log."""
        if not hasattr(signal, "SIGUSR1"):
            return None
        path = self.attempt.run_dir / LOG
        before = path.stat().st_size if path.exists() else 0
        self.child.signal(signal.SIGUSR1)
        time.sleep(STACK_SECONDS)
        try:
            return place(path.read_bytes()[before:].decode("utf-8", "replace"))
        except OSError:
            return None


def adopt(database: Database, worker_id: int, job: Job, graces: Graces) -> Supervision:
    """Take over a running job whose worker is gone; its child may be alive or dead."""
    child = orphan(database, job)
    if child.alive:
        with database.transaction() as session:
            if mine(session.connection(), child.attempt, "worker_id = :worker", worker=worker_id):
                note(session, job.id, "adopted", f"a new worker watches process {child.pid}", job.attempt)
    return Supervision(database, child, graces, job)
