"""A real home, a recipe small enough to queue by the thousand, and worker processes that are cleaned up."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import psutil
import pytest

from db import records
from db.records import JobRecord
from jobs.claims import Held, claim
from jobs.ending import End, Ending
from jobs.queue import Queue
from recipes.errors import FailureKind
from recipes.home import Home
from recipes.recipe import Recipe

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PATIENCE = 240.0  # seconds a test waits for what must come; only a machine with much else to do needs so many
SLOW = "steps 300 slow"

DONE = Ending(End.SUCCEEDED, outcome="completed")
LEFT = Ending(End.STOPPED)
DIED = Ending(End.DIED, kind=FailureKind.KILLED, message="killed by SIGSEGV")
WRONG = Ending(End.FAILED, kind=FailureKind.CONFIGURATION, message="no such model", hint="choose another")
MEMORY = Ending(End.FAILED, kind=FailureKind.OUT_OF_MEMORY, message="out of memory")


class StartWorker(Protocol):
    """`within` is a command that runs the worker as its arguments."""

    def __call__(self, child: str = ..., *options: str, within: Sequence[str] = ()) -> subprocess.Popen[bytes]: ...


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").create()


@pytest.fixture
def recipe() -> Recipe:
    return doing("steps 10")


def doing(what: str, **run: object) -> Recipe:
    """A recipe whose description tells child_steps.py what to do."""
    return Recipe.model_validate(
        {
            "name": "tiny",
            "description": what,
            "data": {"source": "digits"},
            "model": {"name": "test_resnet", "pretrained": False},
            "run": {"epochs": 2, **run},
        }
    )


@pytest.fixture
def queue(home: Home) -> Iterator[Queue]:
    opened = Queue(home)
    yield opened
    opened.close()


@pytest.fixture
def reader(queue: Queue) -> Iterator[sqlite3.Connection]:
    connection = records.connect(queue.home.database)
    yield connection
    connection.close()


@pytest.fixture
def start_worker(home: Home) -> Iterator[StartWorker]:
    """Start worker_with.py; when the test is over nothing it started is left."""
    processes: list[subprocess.Popen[bytes]] = []

    def start(child: str = "child_steps.py", *options: str, within: Sequence[str] = ()) -> subprocess.Popen[bytes]:
        words = [*within, sys.executable, str(HERE / "worker_with.py"), str(home.root), child, *options]
        log = (home.root / "worker.out").open("ab")
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(words, stdout=log, stderr=log, env=environment, start_new_session=True)
        log.close()
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()
    for process in left_over(home):
        process.kill()


def left_over(home: Home) -> list[psutil.Process]:
    """Every process that still works for `home`."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and any(str(home.root) in word for word in process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return [process for process in found if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


def until(true: Callable[[], object], what: str = "what must come") -> None:
    """Wait until `true()` holds; fails after PATIENCE."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, f"waited {PATIENCE:.0f} s for {what}"
        time.sleep(0.02)


def until_state(reader: sqlite3.Connection, job_id: int, *states: str) -> JobRecord:
    until(lambda: records.job(reader, job_id).state in states, f"#{job_id} to be {' or '.join(states)}")
    return records.job(reader, job_id)


def until_step(reader: sqlite3.Connection, job_id: int, step: int) -> JobRecord:
    """Wait until the job runs, with its child known and at least `step` steps recorded."""

    def there() -> bool:
        job = records.job(reader, job_id)
        return job.state == "running" and job.pid is not None and job.step >= step

    until(there, f"#{job_id} to reach step {step}")
    return records.job(reader, job_id)


def kill(pid: int | None, number: int = signal.SIGKILL) -> None:
    assert pid is not None
    os.kill(pid, number)


def suspend(queue: Queue, *pids: int | None) -> None:
    """SIGSTOP, while none of them writes: asleep within a transaction, they would keep every other process waiting."""
    with queue.database.transaction():
        for pid in pids:
            kill(pid, signal.SIGSTOP)


def kinds(reader: sqlite3.Connection, job_id: int) -> list[str]:
    """Of the job's events, in order."""
    return [event.kind for event in records.events(reader, job_id)]


def checkpoint(reader: sqlite3.Connection, job_id: int) -> int:
    """The step in the stand-in's checkpoint file."""
    run_dir = records.job(reader, job_id).run_dir
    assert run_dir is not None
    return int((Path(run_dir) / "last_checkpoint.pt").read_text())


def open_gate(job: JobRecord, step: int = 1_000_000) -> None:
    """Let a child with a gate go on to that step."""
    assert job.run_dir is not None
    written = Path(job.run_dir) / "gate.new"
    written.write_text(str(step))
    written.replace(written.with_name("gate"))


def job_state(reader: sqlite3.Connection, job_id: int) -> str:
    return records.job(reader, job_id).state


def take(queue: Queue, device: str = "cpu") -> Held | None:
    """Claim as worker 1 would."""
    return claim(queue.database, queue.home, 1, device)


def taken(queue: Queue, device: str = "cpu") -> Held:
    held = take(queue, device)
    assert held is not None
    return held
