"""Any order of verbs, claims, ends and deaths keeps the queue true.

Each rule is one transaction, so a kill between any two commits is simply the next rule not being the one the dead
process had in mind: a worker that dies is forgotten with everything it meant to do.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, precondition, rule

from db import records
from jobs import claims
from jobs.claims import Held, claim, finish, held, held_jobs, started
from jobs.ending import End, Ending
from jobs.liveness import CHILD_LOCK
from jobs.queue import Queue
from jobs.recovery import ending_of_orphan, orphan, recover_abandoned
from recipes.errors import FailureKind, QueueError
from recipes.home import Home
from recipes.recipe import Recipe

RECIPE = Recipe.model_validate({"name": "m", "data": {"source": "digits"}})
DEVICES = ("cpu", "cuda:0")
ENDINGS = {
    "succeeded": Ending(End.SUCCEEDED, outcome="completed"),
    "stopped": Ending(End.STOPPED),
    "wrong": Ending(End.FAILED, kind=FailureKind.CONFIGURATION, message="wrong"),
    "memory": Ending(End.FAILED, kind=FailureKind.OUT_OF_MEMORY, message="memory"),
    "died": Ending(End.DIED, kind=FailureKind.KILLED, message="killed by SIGKILL"),
}


@dataclass(frozen=True)
class Expected:
    """What the model knows of a job."""

    state: str = "queued"
    attempt: int = 0
    cancel: bool = False
    pause: bool = False
    retries: int = 0
    crashes: int = 0
    after: int | None = None


class QueueMachine(RuleBasedStateMachine):
    jobs = Bundle("jobs")
    stale = Bundle("stale")
    template: Path | None = None

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="clf-machine-"))
        home = Home(self.folder)
        if QueueMachine.template is None:
            QueueMachine.template = Path(tempfile.mkdtemp()) / "clf.db"
            Queue(home).close()
            shutil.copy(home.database, QueueMachine.template)
        else:
            shutil.copy(QueueMachine.template, home.database)
        self.queue = Queue(home)
        self.reader = records.connect(home.database)
        self.known: dict[int, Expected] = {}
        self.running: dict[str, tuple[Held, FileLock]] = {}  # device -> a living child

    def teardown(self) -> None:
        assert self.reader.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        assert self.reader.execute("PRAGMA foreign_key_check").fetchall() == []
        for _, lock in self.running.values():
            lock.release()
        self.reader.close()
        self.queue.close()
        shutil.rmtree(self.folder)

    def change(self, job_id: int, **changes: object) -> None:
        self.known[job_id] = replace(self.known[job_id], **changes)  # type: ignore[arg-type]

    def refused(self, verb: str, job_id: int, **options: object) -> bool:
        """Whether the queue refused; the model says below whether it had to."""
        try:
            getattr(self.queue, verb)(job_id, **options)
        except QueueError:
            return True
        return False

    @rule(target=jobs, priority=st.integers(-1, 1), retries=st.integers(0, 2), paused=st.booleans())
    def enqueue(self, priority: int, retries: int, paused: bool) -> int:
        job_id = self.queue.enqueue(RECIPE, priority=priority, retries=retries, paused=paused)
        assert job_id not in self.known
        self.known[job_id] = Expected("paused" if paused else "queued", retries=retries)
        return job_id

    @rule(target=jobs, parent=jobs)
    def enqueue_after(self, parent: int) -> int:
        job_id = self.queue.enqueue(RECIPE, after=[parent])
        self.known[job_id] = Expected(after=parent)
        return job_id

    @rule(device=st.sampled_from(DEVICES))
    def claim_one(self, device: str) -> None:
        if device in self.running:
            return
        ready = [
            job_id
            for job_id, job in self.known.items()
            if job.state == "queued" and (job.after is None or self.known[job.after].state == "succeeded")
        ]
        taken = self.take(device)
        assert taken in ready if ready else taken is None

    def take(self, device: str, only: int | None = None) -> int | None:
        """A worker of `device` claims a job and starts its child, whose life is the lock it holds."""
        attempt = claim(self.queue.database, self.queue.home, 1, device, only=only)
        if attempt is None:
            return None
        before = self.known[attempt.job_id]
        assert attempt.attempt == before.attempt + 1
        attempt.run_dir.mkdir(exist_ok=True)
        lock = FileLock(attempt.run_dir / CHILD_LOCK)
        lock.acquire()
        self.running[device] = (attempt, lock)
        self.change(attempt.job_id, state="running", attempt=attempt.attempt, cancel=False, pause=False)
        return attempt.job_id

    @precondition(lambda self: self.running)
    @rule(target=stale, data=st.data(), ending=st.sampled_from(sorted(ENDINGS)))
    def child_ends(self, data: st.DataObject, ending: str) -> object:
        return self.end(data.draw(st.sampled_from(sorted(self.running))), ending)

    def end(self, device: str, ending: str) -> Held:
        """The child of `device` leaves, and its worker records how."""
        attempt, lock = self.running.pop(device)
        lock.release()
        state = finish(self.queue.database, attempt, ENDINGS[ending])
        assert state == self.predict(attempt.job_id, ending)
        self.forget_waiting(attempt.job_id)
        return attempt

    @precondition(lambda self: self.running)
    @rule(target=stale, data=st.data())
    def worker_and_child_die_and_the_next_worker_recovers(self, data: st.DataObject) -> object:
        device = data.draw(st.sampled_from(sorted(self.running)))
        attempt, lock = self.running.pop(device)
        started(self.queue.database, attempt, 2**22 + 1, 1.0)  # a pid no process has
        lock.release()
        for row in held_jobs(self.queue.database, device):
            child = orphan(self.queue.database, row)
            assert not child.alive
            state = finish(self.queue.database, held(row), ending_of_orphan(row, child))
            assert state == self.predict(attempt.job_id, "stopped")  # its worker's row is gone: another boot
        return multiple(attempt)

    @precondition(lambda self: self.running)
    @rule(
        target=stale, data=st.data(), verb=st.sampled_from(["cancel", "pause"]), ending=st.sampled_from(sorted(ENDINGS))
    )
    def a_wish_races_the_end(self, data: st.DataObject, verb: str, ending: str) -> object:
        device = data.draw(st.sampled_from(sorted(self.running)))
        job_id = self.running[device][0].job_id
        getattr(self, verb)(job_id)
        return self.end(device, ending)

    @precondition(lambda self: self.running)
    @rule(target=stale, data=st.data())
    def a_child_dies_and_dies_again(self, data: st.DataObject) -> object:
        device = data.draw(st.sampled_from(sorted(self.running)))
        job_id, attempts = self.running[device][0].job_id, []
        while device in self.running:
            attempts.append(self.end(device, "died"))
            if self.known[job_id].state == "queued" and len(attempts) < claims.MAX_CRASHES:
                self.take(device, only=job_id)
        return multiple(*attempts)

    @precondition(lambda self: self.running)
    @rule()
    def a_living_child_is_not_stolen(self) -> None:
        assert recover_abandoned(self.queue.database, self.queue.home) == []
        for device in self.running:
            assert claim(self.queue.database, self.queue.home, 2, "mps", only=self.running[device][0].job_id) is None

    @rule(attempt=stale, ending=st.sampled_from(sorted(ENDINGS)))
    def a_stale_attempt_wakes_up(self, attempt: Held, ending: str) -> None:
        assert finish(self.queue.database, attempt, ENDINGS[ending]) is None
        assert not started(self.queue.database, attempt, 1, 1.0)

    @rule(job_id=jobs)
    def cancel(self, job_id: int) -> None:
        if job_id not in self.known:
            return
        state = self.known[job_id].state
        assert self.refused("cancel", job_id) == (state in ("succeeded", "failed", "cancelled"))
        if state == "running":
            self.change(job_id, cancel=True)
        elif state in ("queued", "paused"):
            self.change(job_id, state="cancelled")

    @rule(job_id=jobs)
    def pause(self, job_id: int) -> None:
        if job_id not in self.known:
            return
        state = self.known[job_id].state
        assert self.refused("pause", job_id) == (state in ("succeeded", "failed", "cancelled"))
        if state == "running":
            self.change(job_id, pause=True)
        elif state == "queued":
            self.change(job_id, state="paused")

    @rule(job_id=jobs)
    def resume(self, job_id: int) -> None:
        if job_id not in self.known:
            return
        job = self.known[job_id]
        fits = job.state == "paused" or (job.state == "running" and job.pause)
        assert self.refused("resume", job_id) != fits
        if fits:
            self.change(job_id, state="running" if job.state == "running" else "queued", pause=False)
            self.forget_waiting(job_id)

    @rule(job_id=jobs, from_scratch=st.booleans())
    def retry(self, job_id: int, from_scratch: bool) -> None:
        if job_id not in self.known:
            return
        job = self.known[job_id]
        fits = job.state in ("failed", "cancelled") or (job.state == "succeeded" and from_scratch)
        assert self.refused("retry", job_id, from_scratch=from_scratch) != fits
        if fits:
            with self.queue.database.transaction() as session:
                row = session.connection().exec_driver_sql("SELECT retries FROM job WHERE id = ?", (job_id,)).one()
            self.change(job_id, state="queued", crashes=0, retries=row[0])

    @rule(job_id=jobs)
    def edit(self, job_id: int) -> None:
        if job_id not in self.known:
            return
        job = self.known[job_id]
        row = self.reader.execute("SELECT fresh FROM job WHERE id = ?", (job_id,)).fetchone()
        fits = job.state in ("queued", "paused") and (job.attempt == 0 or bool(row[0]))
        try:
            self.queue.edit(job_id, RECIPE)
            assert fits
        except QueueError:
            assert not fits

    @rule(job_id=jobs, before=jobs, priority=st.integers(-1, 1))
    def move(self, job_id: int, before: int, priority: int) -> None:
        if job_id not in self.known or before not in self.known:
            return
        waiting = ("queued", "paused")
        fits = self.known[job_id].state in waiting
        assert self.refused("set_priority", job_id, priority=priority) != fits
        if fits and self.known[before].state == "queued" and before != job_id:
            self.queue.move(job_id, before=before)
            if self.known[job_id].state == "queued":
                order = [job.id for job in records.jobs(self.reader, states=("queued",))]
                assert order.index(job_id) + 1 == order.index(before)

    @rule(job_id=consumes(jobs))
    def remove(self, job_id: int) -> None:
        if job_id not in self.known:
            return
        ended = ("succeeded", "failed", "cancelled")
        state = self.known[job_id].state
        needed = any(job.after == job_id and job.state not in ended for job in self.known.values())
        fits = state in ended and (state == "succeeded" or not needed)
        assert self.refused("remove", job_id) != fits
        if fits:
            del self.known[job_id]
            for other, job in self.known.items():
                if job.after == job_id:
                    self.change(other, after=None)

    def predict(self, job_id: int, ending: str) -> str:
        """Where the end of an attempt must lead; the model's own copy of the promise."""
        job = self.known[job_id]
        state, crashes, retries = "queued", job.crashes, job.retries
        if ending == "succeeded":
            state, crashes = "succeeded", 0
        elif job.cancel:
            state = "cancelled"
        elif ending == "stopped":
            state = "paused" if job.pause else "queued"
        elif ending == "died" and job.pause:
            state = "paused"
        elif ending == "wrong":
            state = "failed"
        else:
            crashes += ending == "died"
            if ending == "memory" or crashes >= claims.MAX_CRASHES:
                state, retries = ("queued", retries - 1) if retries else ("failed", 0)
                crashes = 0 if state == "queued" else crashes
        self.change(job_id, state=state, crashes=crashes, retries=retries, cancel=False, pause=False)
        return state

    def forget_waiting(self, job_id: int) -> None:
        """Back-off is about time, and this machine is not: let it be over."""
        with self.queue.database.transaction() as session:
            session.connection().exec_driver_sql("UPDATE job SET retry_at = NULL WHERE id = ?", (job_id,))

    @invariant()
    def every_job_is_where_it_should_be(self) -> None:
        rows = self.reader.execute("SELECT id, state, attempt, cancel_requested, pause_requested FROM job").fetchall()
        assert {row[0]: (row[1], row[2], bool(row[3]), bool(row[4])) for row in rows} == {
            job_id: (job.state, job.attempt, job.cancel, job.pause) for job_id, job in self.known.items()
        }

    @invariant()
    def no_device_has_two(self) -> None:
        busy = self.reader.execute(
            "SELECT device, count(*) FROM job WHERE state = 'running' GROUP BY device"
        ).fetchall()
        assert all(row[1] == 1 for row in busy)


QueueMachine.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # shrinking a failure takes minutes: add it by hand
)
TestQueueMachine = QueueMachine.TestCase
