"""The verbs a person has on the queue; each is one BEGIN IMMEDIATE transaction, so it happens whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

from sqlalchemy import delete
from sqlmodel import col

from db.engine import Database, open_database
from db.models import Dependency, Job, Metric, Sample, Setting, State
from db.names import checked_name
from jobs.inbox import Inbox, frozen
from jobs.ledger import end, get_job, holding_back, last_position, link, neighbours, note, place_before, requeue
from jobs.liveness import CHILD_LOCK, lock_held
from jobs.recovery import is_abandoned
from recipes.errors import QueueError
from recipes.recipe import Recipe


class Queue(Inbox):
    """The queue of one home."""

    @cached_property
    def database(self) -> Database:
        """The database through the ORM, opened when a verb first needs it."""
        return open_database(self.home.database, busy_seconds=self.busy_seconds)

    def close(self) -> None:
        if "database" in vars(self):
            self.database.close()

    def cancel(self, job_id: int, *, now: bool = False) -> None:
        """End a job: at once when it has not begun, else by asking its child (`now`: by killing it)."""
        with self.database.transaction() as session:
            job = get_job(session, job_id)
            _refuse_finished(job, "cancelled")
            if job.state != State.RUNNING or is_abandoned(session, self.home, job):
                note(session, job_id, "cancelled", "by the person", job.attempt)
                end(job, State.CANCELLED)
                return
            job.cancel_requested = max(job.cancel_requested, 2 if now else 1)
            note(session, job_id, "cancel", "kill requested" if now else "asked to stop", job.attempt)

    def pause(self, job_id: int | None = None) -> None:
        """Pause a job (a running one checkpoints and gives its device back), or with None let no further job begin."""
        if job_id is None:
            self._set_paused(True)
            return
        with self.database.transaction() as session:
            job = get_job(session, job_id)
            _refuse_finished(job, "paused")
            if job.state == State.RUNNING and not is_abandoned(session, self.home, job):
                job.pause_requested = 1
            else:
                requeue(job, State.PAUSED)
            note(session, job_id, "pause", "asked to pause" if job.state == State.RUNNING else "paused", job.attempt)

    def resume(self, job_id: int | None = None) -> None:
        """Let a paused job go on, or with None the whole queue."""
        if job_id is None:
            self._set_paused(False)
            return
        with self.database.transaction() as session:
            job = get_job(session, job_id)
            if job.state == State.RUNNING and job.pause_requested:
                job.pause_requested = 0
            elif job.state == State.PAUSED:
                requeue(job)
            else:
                raise QueueError(f"#{job_id} is {job.state}, not paused")
            note(session, job_id, "resume", "goes on", job.attempt)

    def retry(self, job_id: int, *, from_scratch: bool = False) -> None:
        """Queue a finished job again: from its last checkpoint, or `from_scratch` with its records emptied."""
        with self.database.transaction() as session:
            job = get_job(session, job_id)
            if job.finished_at is None:
                raise QueueError(f"#{job_id} is {job.state}; only a finished job can be retried")
            if job.state == State.SUCCEEDED and not from_scratch:
                raise QueueError(f"#{job_id} succeeded", "clf retry --from-scratch trains it again")
            requeue(job)
            job.position = last_position(session)
            job.retries_left, job.crashes, job.retry_at, job.not_before = job.retries, 0, None, None
            job.outcome = job.test_accuracy = job.test_f1 = None
            if from_scratch:
                _forget(job)
                for table in (Metric, Sample):
                    session.connection().execute(delete(table).where(col(table.job_id) == job_id))
            note(session, job_id, "retry", "from scratch" if from_scratch else "from the last checkpoint", job.attempt)

    def edit(self, job_id: int, recipe: Recipe, *, data_hash: str | None = None) -> None:
        """Replace the recipe of a job that never began."""
        with self.database.transaction() as session:
            job = _waiting(get_job(session, job_id), "edited")
            if job.attempt > 0 and not job.fresh:
                raise QueueError(f"#{job_id} has trained already", f"clf duplicate {job_id} --set ... queues a new job")
            freeze(job, recipe, data_hash)
            note(session, job_id, "edit", "recipe changed")

    def duplicate(
        self, job_id: int, recipe: Recipe | None = None, *, name: str | None = None, data_hash: str | None = None
    ) -> int:
        """Queue a job's recipe (or `recipe`, with its `data_hash`) once more, with its priority and retries."""
        with self.database.transaction() as session:
            job = get_job(session, job_id)
            session.expunge(job)
        same = recipe is None
        return self.enqueue(
            recipe or Recipe.model_validate_json(job.recipe),
            name=name or (job.name if same or job.name != job.recipe_name else None),
            priority=job.priority,
            retries=job.retries,
            data_hash=job.data_hash if same else data_hash,
        )

    def move(self, job_id: int, *, first: bool = False, last: bool = False, before: int | None = None) -> None:
        """Change a job's place among those of its priority: exactly one of `first`, `last`, `before`."""
        if sum((first, last, before is not None)) != 1:
            raise QueueError("say where to: exactly one of first, last and before")
        with self.database.transaction() as session:
            job = _waiting(get_job(session, job_id), "moved")
            row = neighbours(session, job)
            if before is not None:
                other = _waiting(get_job(session, before), "a place to move to")
                if other.id == job.id:
                    raise QueueError(f"#{job_id} cannot stand before itself")
                job.priority = other.priority
                place_before(session, job, other)
            elif row:
                job.position = row[0].position - 1.0 if first else row[-1].position + 1.0

    def set_priority(self, job_id: int, priority: int) -> None:
        """Larger runs first."""
        with self.database.transaction() as session:
            _waiting(get_job(session, job_id), "given a priority").priority = priority

    def rename(self, job_id: int, name: str) -> None:
        """Give a job another name; its run directory keeps the one it began with."""
        with self.database.transaction() as session:
            get_job(session, job_id).name = checked_name(name)

    def postpone(self, job_id: int, not_before: float | None) -> None:
        """Let a waiting job begin no earlier than a Unix time, or with None whenever its turn comes."""
        with self.database.transaction() as session:
            _waiting(get_job(session, job_id), "postponed").not_before = not_before

    def depend(self, job_id: int, *, after: Sequence[int] = (), after_any: Sequence[int] = ()) -> None:
        """Replace what a waiting job waits for; raises QueueError for a circle."""
        with self.database.transaction() as session:
            _waiting(get_job(session, job_id), "made to wait")
            session.connection().execute(delete(Dependency).where(col(Dependency.job_id) == job_id))
            link(session, job_id, after_any, any_outcome=True)
            link(session, job_id, after, any_outcome=False)

    def remove(self, job_id: int) -> None:
        """Delete a finished job: its row, its records and its run directory."""
        with self.database.transaction() as session:
            job = get_job(session, job_id)
            if job.finished_at is None:
                raise QueueError(f"#{job_id} is {job.state}", f"clf cancel {job_id} first")
            if job.state != State.SUCCEEDED and (children := holding_back(session, job_id)):
                names = ", ".join(f"#{child}" for child in children)
                raise QueueError(f"{names} waits for #{job_id}", "cancel or retry first")
            run_dir = Path(job.run_dir) if job.run_dir else None
            if run_dir is not None and lock_held(run_dir / CHILD_LOCK):
                raise QueueError(f"a process still writes to {run_dir}", "wait a moment and try again")
            session.delete(job)
        if run_dir is not None and run_dir.parent == self.home.runs:
            shutil.rmtree(run_dir, ignore_errors=True)

    def free(self, job_id: int, files: Iterable[Path]) -> None:
        """Delete some files of a finished job's run directory; the write lock keeps a retry from racing it."""
        with self.database.transaction() as session:
            job = get_job(session, job_id)
            if job.finished_at is None:
                raise QueueError(f"#{job_id} is {job.state}", "only a finished job's files can be freed")
            for path in files:
                path.unlink(missing_ok=True)
            note(session, job_id, "freed", "files other than the best weights and the reports", job.attempt)

    def _set_paused(self, paused: bool) -> None:
        with self.database.transaction() as session:
            session.merge(Setting(key="paused", value="1" if paused else "0"))
            note(session, None, "queue", "paused" if paused else "goes on")


def freeze(job: Job, recipe: Recipe, data_hash: str | None) -> None:
    """Write the recipe, and what lists show of it, into the job's row."""
    for column, value in frozen(recipe, data_hash).items():
        setattr(job, column, value)


def _forget(job: Job) -> None:
    """Set back every trace of progress; the worker empties the run directory before the next attempt."""
    job.fresh = True
    job.checkpoint_step = job.epoch = job.step = job.epoch_step = 0
    job.started_at = job.progress_at = job.stage = job.train_loss = job.lr = None
    job.best_accuracy = job.best_epoch = job.best_f1 = job.memory = job.memory_peak = None
    job.elapsed_seconds = 0.0


def _refuse_finished(job: Job, verb: str) -> None:
    if job.finished_at is not None:
        raise QueueError(
            f"#{job.id} has ended ({job.state}) and cannot be {verb}", f"clf retry {job.id} queues it again"
        )


def _waiting(job: Job, verb: str) -> Job:
    if job.state not in (State.QUEUED, State.PAUSED):
        raise QueueError(f"#{job.id} is {job.state}; only a job that waits can be {verb}")
    return job
