"""What must become of a job, told a second time and in other words: the model the state machine is held against."""

from __future__ import annotations

from dataclasses import dataclass, replace

from jobs.claims import MAX_CRASHES
from jobs.ending import End, Ending
from recipes.errors import FailureKind

ENDED = ("succeeded", "failed", "cancelled")
WAITING = ("queued", "paused")
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
    cancel: int = 0
    pause: bool = False
    retries: int = 0  # left
    asked: int = 0  # retries as asked for
    crashes: int = 0
    fresh: bool = False
    after: int | None = None
    any_outcome: bool = False


class Model:
    """All jobs as they should be."""

    def __init__(self) -> None:
        self.jobs: dict[int, Expected] = {}
        self.paused = False  # the whole queue

    def change(self, job_id: int, **changes: object) -> None:
        self.jobs[job_id] = replace(self.jobs[job_id], **changes)  # type: ignore[arg-type]

    def in_state(self, *states: str) -> list[int]:
        return [job_id for job_id, job in self.jobs.items() if job.state in states]

    def ready(self) -> list[int]:
        """The jobs a worker may begin."""
        return [] if self.paused else [job_id for job_id in self.in_state("queued") if self._free(self.jobs[job_id])]

    def _free(self, job: Expected) -> bool:
        if job.after is None:
            return True
        parent = self.jobs[job.after].state
        return parent in ENDED if job.any_outcome else parent == "succeeded"

    def needed(self, job_id: int) -> bool:
        """Whether an unfinished job waits for this one, which has not succeeded."""
        children = (job for job in self.jobs.values() if job.after == job_id)
        return self.jobs[job_id].state != "succeeded" and any(job.state not in ENDED for job in children)

    def forget(self, job_id: int) -> None:
        del self.jobs[job_id]
        for other, job in self.jobs.items():
            if job.after == job_id:
                self.change(other, after=None)

    def end(self, job_id: int, ending: str) -> str:
        """Where the end of an attempt leads."""
        job = self.jobs[job_id]
        state, crashes, retries = "queued", job.crashes, job.retries
        if ending == "succeeded":
            state, crashes = "succeeded", 0
        elif job.cancel:
            state = "cancelled"
        elif ending == "stopped" or (ending == "died" and job.pause):
            state = "paused" if job.pause else "queued"
        elif ending == "wrong":
            state = "failed"
        else:
            crashes += ending == "died"
            if ending == "memory" or crashes >= MAX_CRASHES:
                state, retries = ("queued", retries - 1) if retries else ("failed", 0)
                crashes = 0 if state == "queued" else crashes
        self.change(job_id, state=state, crashes=crashes, retries=retries, cancel=0, pause=False)
        return state
