"""Any order of verbs, claims, ends and deaths keeps the queue true.

A rule is one transaction, or stops between two: a worker dies after its claim, a child after it wrote how it ended,
the machine at any time. What comes next is then another rule, and whoever died is forgotten with all it meant to do.
"""

from __future__ import annotations

import os

from filelock import FileLock
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, initialize, invariant, multiple, precondition, rule

from db import records
from jobs import claims
from jobs.claims import Held, claim, finish, held, held_jobs, started
from jobs.ending import write_ending
from jobs.ladder import Graces
from jobs.liveness import CHILD_LOCK
from jobs.recovery import ending_of_orphan, orphan, recover_abandoned
from jobs.supervision import adopt
from tests.jobs.machine_model import ENDINGS
from tests.jobs.machine_verbs import Verbs

DEVICES = ("cpu", "cuda:0")
NOBODY = 2**22 + 1  # a pid no process has
EXAMPLES = int(os.environ.get("CLF_EXAMPLES", "40"))
some_ending = st.sampled_from(sorted(ENDINGS))


class QueueMachine(Verbs):
    """The queue among workers that claim and children that end, and everyone who dies between two commits."""

    stale = Bundle("stale")

    @initialize(target=Verbs.jobs, retries=st.integers(0, 2))
    def begin(self, retries: int) -> object:
        """Four jobs of which two run, so that most of what follows has something to happen to."""
        ids = [self.enqueue(priority, retries, False) for priority in (1, 0, 0, -1)]
        for device in DEVICES:
            self.claim_one(device)
        return multiple(*ids)

    @rule(device=st.sampled_from(DEVICES))
    def claim_one(self, device: str) -> None:
        if device not in self.running:
            listed = records.jobs(self.reader, states=("queued",))  # in the order of the claims
            ready = [job.id for job in listed if job.id in self.model.ready()]
            assert self.take(device) == (ready[0] if ready else None)

    def take(self, device: str, only: int | None = None) -> int | None:
        """A worker of `device` claims a job and starts its child, whose life is the lock it holds."""
        attempt = claim(self.queue.database, self.queue.home, 1, device, only=only)
        if attempt is None:
            return None
        job = self.model.jobs[attempt.job_id]
        assert (attempt.attempt, attempt.fresh) == (job.attempt + 1, job.fresh)
        attempt.run_dir.mkdir(exist_ok=True)
        lock = FileLock(attempt.run_dir / CHILD_LOCK)
        lock.acquire()
        self.running[device] = (attempt, lock)
        self.model.change(attempt.job_id, state="running", attempt=attempt.attempt, cancel=0, pause=False)
        return attempt.job_id

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def the_child_is_noted(self, data: st.DataObject) -> None:
        attempt, _ = self.running[data.draw(st.sampled_from(sorted(self.running)))]
        assert started(self.queue.database, attempt, NOBODY, 1.0)
        self.model.change(attempt.job_id, fresh=False)

    @precondition(lambda self: self.running)
    @rule(target=stale, data=st.data(), ending=some_ending)
    def child_ends(self, data: st.DataObject, ending: str) -> object:
        return self.end(data.draw(st.sampled_from(sorted(self.running))), ending)

    def end(self, device: str, ending: str) -> Held:
        """The child of `device` leaves, and its worker records how."""
        attempt, lock = self.running.pop(device)
        lock.release()
        state = finish(self.queue.database, attempt, ENDINGS[ending])
        assert state == self.model.end(attempt.job_id, ending)
        self.forget_waiting(attempt.job_id)
        return attempt

    @precondition(lambda self: self.running)
    @rule(target=stale, data=st.data(), verb=st.sampled_from(["cancel", "pause"]), ending=some_ending)
    def a_wish_races_the_end(self, data: st.DataObject, verb: str, ending: str) -> object:
        device = data.draw(st.sampled_from(sorted(self.running)))
        job_id = self.running[device][0].job_id
        self.cancel(job_id, now=False) if verb == "cancel" else self.pause(job_id)
        return self.end(device, ending)

    @precondition(lambda self: self.running)
    @rule(target=stale, data=st.data())
    def a_child_dies_and_dies_again(self, data: st.DataObject) -> object:
        device = data.draw(st.sampled_from(sorted(self.running)))
        job_id, attempts = self.running[device][0].job_id, []
        while device in self.running:
            attempts.append(self.end(device, "died"))
            if self.model.jobs[job_id].state == "queued" and len(attempts) < claims.MAX_CRASHES:
                self.take(device, only=job_id)
        return multiple(*attempts)

    @precondition(lambda self: self.running)
    @rule(target=stale, data=st.data())
    def it_is_tried_until_no_retry_is_left_and_again_by_hand(self, data: st.DataObject) -> object:
        device = data.draw(st.sampled_from(sorted(self.running)))
        job_id, attempts = self.running[device][0].job_id, []
        while device in self.running:
            attempts.append(self.end(device, "memory"))
            if self.model.jobs[job_id].state == "queued" and not self.model.paused:
                self.take(device, only=job_id)
        self.retry(job_id, from_scratch=False)
        return multiple(*attempts)

    @precondition(lambda self: self.running)
    @rule(target=stale, data=st.data(), ending=some_ending, by_another=st.booleans())
    def a_worker_dies_and_its_child_before_the_end_is_recorded(
        self, data: st.DataObject, ending: str, by_another: bool
    ) -> object:
        """The child may have written its ending ("died": it had no time to); the next worker, or that of another
        device, reads it."""
        attempt, lock = self.running.pop(data.draw(st.sampled_from(sorted(self.running))))
        if ending != "died":
            write_ending(attempt.run_dir, attempt.token, ENDINGS[ending])
        lock.release()
        self.recover(attempt, ending if ending != "died" else "stopped", by_another)
        return attempt

    def recover(self, attempt: Held, ending: str, by_another: bool) -> None:
        """The worker's row is gone, so it was another boot: a child that left no word is not blamed."""
        expected = self.model.end(attempt.job_id, ending)
        if by_another:
            assert recover_abandoned(self.queue.database, self.queue.home) == [attempt.job_id]
        for row in [] if by_another else held_jobs(self.queue.database, attempt.device):
            child = orphan(self.queue.database, row)
            assert not child.alive
            assert finish(self.queue.database, held(row), ending_of_orphan(row, child)) == expected
        assert records.job(self.reader, attempt.job_id).state == expected
        self.forget_waiting(attempt.job_id)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def a_worker_dies_and_the_next_adopts_its_child(self, data: st.DataObject) -> None:
        device = data.draw(st.sampled_from(sorted(self.running)))
        attempt, _ = self.running[device]
        (row,) = held_jobs(self.queue.database, device)
        assert adopt(self.queue.database, 2, row, Graces()).attempt.token == attempt.token
        assert records.job(self.reader, attempt.job_id).worker_id == 2

    @precondition(lambda self: self.running)
    @rule(target=stale, by_another=st.booleans())
    def the_machine_is_restarted(self, by_another: bool) -> object:
        gone = [self.running.pop(device) for device in sorted(self.running)]
        for attempt, lock in gone:
            lock.release()
            self.recover(attempt, "stopped", by_another and len(gone) == 1)
        return multiple(*(attempt for attempt, _ in gone))

    @precondition(lambda self: self.running)
    @rule()
    def a_living_child_is_not_stolen(self) -> None:
        assert recover_abandoned(self.queue.database, self.queue.home) == []
        for attempt, _ in self.running.values():
            assert claim(self.queue.database, self.queue.home, 2, "mps", only=attempt.job_id) is None

    @rule(attempt=stale, ending=some_ending)
    def a_stale_attempt_wakes_up(self, attempt: Held, ending: str) -> None:
        assert finish(self.queue.database, attempt, ENDINGS[ending]) is None
        assert not started(self.queue.database, attempt, 1, 1.0)

    def forget_waiting(self, job_id: int) -> None:
        """Back-off is about time, and this machine is not: let it be over."""
        with self.queue.database.transaction() as session:
            session.connection().exec_driver_sql("UPDATE job SET retry_at = NULL WHERE id = ?", (job_id,))

    @invariant()
    def every_job_is_where_it_should_be(self) -> None:
        query = "SELECT id, state, attempt, cancel_requested, pause_requested, retries_left, fresh FROM job"
        found = {row[0]: tuple(row)[1:] for row in self.reader.execute(query)}
        assert found == {
            job_id: (job.state, job.attempt, job.cancel, job.pause, job.retries, job.fresh)
            for job_id, job in self.model.jobs.items()
        }

    @invariant()
    def no_device_has_two(self) -> None:
        busy = self.reader.execute("SELECT device, id FROM job WHERE state = 'running' ORDER BY device").fetchall()
        assert [tuple(row) for row in busy] == sorted((d, a.job_id) for d, (a, _) in self.running.items())


QueueMachine.TestCase.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=EXAMPLES == 40,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # shrinking a failure takes minutes: add it by hand
)
TestQueueMachine = QueueMachine.TestCase
