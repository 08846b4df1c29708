"""The half of the state machine that a person drives: every verb, and when it must refuse."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from filelock import FileLock
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, multiple, rule

from db import records
from jobs.claims import Held
from jobs.queue import Queue
from recipes.errors import QueueError
from recipes.home import Home
from recipes.recipe import Recipe
from tests.jobs.machine_model import ENDED, WAITING, Expected, Model

RECIPE = Recipe.model_validate({"name": "m", "data": {"source": "digits"}})


class Verbs(RuleBasedStateMachine):
    """A queue, its model, and what a person may ask of both."""

    jobs = Bundle("jobs")
    template: Path | None = None

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="clf-machine-"))
        home = Home(self.folder)
        if Verbs.template is None:
            Verbs.template = Path(tempfile.mkdtemp()) / "clf.db"
            Queue(home).close()
            shutil.copy(home.database, Verbs.template)
        else:
            shutil.copy(Verbs.template, home.database)
        self.queue = Queue(home)
        self.reader = records.connect(home.database)
        self.model = Model()
        self.running: dict[str, tuple[Held, FileLock]] = {}  # device -> a living child

    def teardown(self) -> None:
        assert self.reader.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        assert self.reader.execute("PRAGMA foreign_key_check").fetchall() == []
        for _, lock in self.running.values():
            lock.release()
        self.reader.close()
        self.queue.close()
        shutil.rmtree(self.folder)

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
        assert job_id not in self.model.jobs
        self.model.jobs[job_id] = Expected("paused" if paused else "queued", retries=retries, asked=retries)
        return job_id

    @rule(target=jobs, parent=jobs, any_outcome=st.booleans())
    def enqueue_after(self, parent: int, any_outcome: bool) -> object:
        if parent not in self.model.jobs:
            return multiple()
        wait = {"after_any" if any_outcome else "after": [parent]}
        job_id = self.queue.enqueue(RECIPE, **wait)  # type: ignore[arg-type]
        self.model.jobs[job_id] = Expected(after=parent, any_outcome=any_outcome)
        return job_id

    @rule(target=jobs, job_id=jobs)
    def duplicate(self, job_id: int) -> object:
        if job_id not in self.model.jobs:
            return multiple()
        asked = self.model.jobs[job_id].asked
        copy = self.queue.duplicate(job_id)
        self.model.jobs[copy] = Expected(retries=asked, asked=asked)
        return copy

    @rule(job_id=jobs, now=st.booleans())
    def cancel(self, job_id: int, now: bool) -> None:
        if job_id not in self.model.jobs:
            return
        job = self.model.jobs[job_id]
        assert self.refused("cancel", job_id, now=now) == (job.state in ENDED)
        if job.state == "running":
            self.model.change(job_id, cancel=max(job.cancel, 2 if now else 1))
        elif job.state in WAITING:
            self.model.change(job_id, state="cancelled")

    @rule(job_id=jobs)
    def pause(self, job_id: int) -> None:
        if job_id not in self.model.jobs:
            return
        state = self.model.jobs[job_id].state
        assert self.refused("pause", job_id) == (state in ENDED)
        if state == "running":
            self.model.change(job_id, pause=True)
        elif state == "queued":
            self.model.change(job_id, state="paused")

    @rule(job_id=jobs)
    def resume(self, job_id: int) -> None:
        if job_id not in self.model.jobs:
            return
        job = self.model.jobs[job_id]
        fits = job.state == "paused" or (job.state == "running" and job.pause)
        assert self.refused("resume", job_id) != fits
        if fits:
            self.model.change(job_id, state="running" if job.state == "running" else "queued", pause=False)

    @rule(paused=st.sampled_from([False, False, False, True]))
    def pause_or_resume_the_queue(self, paused: bool) -> None:
        self.queue.pause() if paused else self.queue.resume()
        self.model.paused = paused

    @rule(job_id=jobs, from_scratch=st.booleans())
    def retry(self, job_id: int, from_scratch: bool) -> None:
        if job_id not in self.model.jobs:
            return
        job = self.model.jobs[job_id]
        fits = job.state in ("failed", "cancelled") or (job.state == "succeeded" and from_scratch)
        assert self.refused("retry", job_id, from_scratch=from_scratch) != fits
        if fits:
            fresh = job.fresh or from_scratch
            self.model.change(job_id, state="queued", crashes=0, retries=job.asked, fresh=fresh)

    @rule(job_id=jobs)
    def edit(self, job_id: int) -> None:
        if job_id in self.model.jobs:
            job = self.model.jobs[job_id]
            fits = job.state in WAITING and (job.attempt == 0 or job.fresh)
            assert self.refused("edit", job_id, recipe=RECIPE) != fits

    @rule(job_id=jobs, before=jobs, priority=st.integers(-1, 1))
    def move(self, job_id: int, before: int, priority: int) -> None:
        if job_id not in self.model.jobs or before not in self.model.jobs:
            return
        states = [self.model.jobs[each].state for each in (job_id, before)]
        assert self.refused("set_priority", job_id, priority=priority) == (states[0] not in WAITING)
        fits = before != job_id and all(state in WAITING for state in states)
        assert self.refused("move", job_id, before=before) != fits
        if fits and states == ["queued", "queued"]:
            order = [job.id for job in records.jobs(self.reader, states=("queued",))]
            assert order.index(job_id) + 1 == order.index(before)

    @rule(job_id=jobs, first=st.booleans())
    def move_to_an_end(self, job_id: int, first: bool) -> None:
        if job_id not in self.model.jobs:
            return
        fits = self.model.jobs[job_id].state in WAITING
        assert self.refused("move", job_id, first=first, last=not first) != fits
        if fits and self.model.jobs[job_id].state == "queued":
            waiting = records.jobs(self.reader, states=("queued",))
            mine = next(job.priority for job in waiting if job.id == job_id)
            same = [job.id for job in waiting if job.priority == mine]
            assert same[0 if first else -1] == job_id

    @rule(job_id=consumes(jobs))
    def remove(self, job_id: int) -> None:
        if job_id not in self.model.jobs:
            return
        fits = self.model.jobs[job_id].state in ENDED and not self.model.needed(job_id)
        assert self.refused("remove", job_id) != fits
        if fits:
            self.model.forget(job_id)
