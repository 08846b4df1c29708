"""A worker with the real training, told to leave at random moments: what is on disk, what is left, how long it took.

    python benchmarks/queue_signals.py --moments 50

One job is interrupted again and again and each time goes on. `clf worker` sits in a pseudo-terminal of its own and
hears SIGTERM, SIGINT, SIGHUP, a typed Ctrl-C, or the terminal being closed; now and then its child is put to sleep
first, and a second signal must end both at once. Prints a line for each moment and the longest waits; exit code 1
when a promise was broken.
"""

from __future__ import annotations

import argparse
import os
import pty
import random
import select
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from db import records  # noqa: E402
from db.records import JobRecord  # noqa: E402
from jobs.inbox import Inbox  # noqa: E402
from recipes.home import Home  # noqa: E402
from recipes.recipe import Recipe  # noqa: E402

WAYS = ("SIGTERM", "SIGINT", "SIGHUP", "Ctrl-C", "hang-up")
STARTING = 8.0  # seconds from the worker's start: importing torch, checking images, building the network
TRAINING = 4.0  # seconds from the attempt's first step: steps, validations, checkpoints
LEAVE = 10.0  # seconds it may take on a CPU
AT_ONCE = 2.0
ENDLESS = {
    "name": "signals",
    "data": {"source": "digits", "image_size": 32, "samples": 400, "workers": 1},
    "model": {"name": "test_resnet", "pretrained": False},
    "run": {"epochs": 100_000, "batch_size": 20, "precision": "fp32", "device": "cpu"},
}


class Terminal:
    """`clf worker` as the session leader of a pseudo-terminal."""

    def __init__(self, home: Home) -> None:
        self.pid, self._master = pty.fork()
        if self.pid == 0:
            words = [sys.executable, "-m", "tui.cli", "--home", str(home.root), "worker", "--device", "cpu"]
            os.execve(sys.executable, words, {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm"})
        self._open = True
        self.code: int | None = None

    def wait(self, seconds: float) -> bool:
        """Read what it prints for so long; True as soon as it has left."""
        deadline = time.monotonic() + seconds
        while self.code is None and time.monotonic() < deadline:
            if self._open and select.select([self._master], [], [], 0.01)[0]:
                with suppress(OSError):
                    os.read(self._master, 65536)
            elif not self._open:
                time.sleep(0.01)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code is not None

    def tell(self, way: str) -> None:
        if way == "hang-up":
            self.close()
        elif way == "Ctrl-C":
            os.write(self._master, b"\x03")
        else:
            os.kill(self.pid, signal.Signals[way])

    def close(self) -> None:
        if self._open:
            os.close(self._master)
            self._open = False


@dataclass
class Found:
    """What all moments showed."""

    broken: list[str] = field(default_factory=list)
    longest: dict[str, float] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def took(self, what: str, seconds: float, most: float, moment: int) -> None:
        self.longest[what] = max(seconds, self.longest.get(what, 0.0))
        if seconds > most:
            self.broken.append(f"moment {moment}: {what} took {seconds:.1f} s")


def interrupt(home: Home, reader: sqlite3.Connection, moment: int, chance: random.Random, found: Found) -> str:
    """Start a worker, tell it to leave at a random moment, and look at what it left; one line about it."""
    before = records.jobs(reader)[0]
    way, twice = chance.choice(WAYS), chance.random() < 0.15
    worker = Terminal(home)
    deadline = time.monotonic() + 120.0
    trains = chance.random() < 0.6
    while not under_way(reader, before, trains) and time.monotonic() < deadline:
        worker.wait(0.02)
    worker.wait(chance.uniform(0.0, TRAINING if trains else STARTING))
    job = records.jobs(reader)[0]
    slept = twice and job.pid is not None
    if slept and job.pid is not None:
        os.kill(job.pid, signal.SIGSTOP)
    began = time.monotonic()
    worker.tell(way)
    if slept and (slept := not worker.wait(1.5)):
        began = time.monotonic()
        worker.tell("SIGTERM")
    worker.wait(60.0)
    seconds = time.monotonic() - began
    worker.close()
    found.took("the second signal" if slept else way, seconds, AT_ONCE if slept else LEAVE, moment)
    found.counts[way] += 1
    found.counts["twice"] += slept
    after = records.jobs(reader)[0]
    found.broken += [f"moment {moment} ({way}): {what}" for what in untrue(home, reader, worker, before, after, slept)]
    phase = job.phase or "no child"
    return f"{moment:3} {way:8}{' twice' if slept else '':6} {phase:10} step {after.step:6} {seconds:5.2f} s"


def under_way(reader: sqlite3.Connection, before: JobRecord, trains: bool) -> bool:
    """Whether the worker is at its post, or with `trains` its child took a step."""
    job = records.jobs(reader)[0]
    return job.attempt > before.attempt and job.step > before.step if trains else bool(records.workers(reader))


def untrue(
    home: Home, reader: sqlite3.Connection, worker: Terminal, before: JobRecord, after: JobRecord, slept: bool
) -> list[str]:
    """What is not as it should be after a worker left."""
    facts = {
        f"the worker left with {worker.code}": worker.code in (0, 130),
        f"#{after.id} is {after.state}": after.state == "queued" and after.token is None and after.pid is None,
        "it counts as a crash": after.crashes == 0,
        "the worker did not say goodbye": not records.workers(reader),
        "processes are left": not left_over(home),
        "the database is damaged": reader.execute("PRAGMA integrity_check").fetchone()[0] == "ok",
        f"the checkpoint went back to {after.checkpoint_step}": after.checkpoint_step >= before.checkpoint_step,
        f"the checkpoint on disk is of step {on_disk(after)}": on_disk(after) == after.checkpoint_step,
        f"step {after.step} was trained and step {after.checkpoint_step} kept": slept
        or after.step in (after.checkpoint_step, before.step),  # one told twice left at once, and nothing came since
    }
    return [what for what, true in facts.items() if not true]


def on_disk(job: JobRecord) -> int:
    """The optimiser step of the checkpoint in the run directory; 0 without one."""
    from core.checkpoint import LAST, load

    path = Path(job.run_dir or "") / LAST
    return int(load(path)["position"]["step"]) if job.run_dir and path.exists() else 0


def left_over(home: Home) -> list[int]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.pid != os.getpid() and any(str(home.root) in word for word in process.cmdline()):
                found.append(process.pid)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moments", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    found, chance = Found(), random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="clf-signals-") as folder:
        home = Home(Path(folder))
        Inbox(home).enqueue(Recipe.model_validate(ENDLESS))
        reader = records.connect(home.database)
        for moment in range(options.moments):
            sys.stdout.write(interrupt(home, reader, moment, chance, found) + "\n")
            sys.stdout.flush()
        job = records.jobs(reader)[0]
        reader.close()
    counts = ", ".join(f"{count} {way}" for way, count in sorted(found.counts.items()))
    longest = ", ".join(f"{way} {seconds:.1f} s" for way, seconds in sorted(found.longest.items()))
    sys.stdout.write(f"{counts}; {job.attempt} attempts, {job.step} steps\nlongest: {longest}\n")
    sys.stdout.write("\n".join(found.broken) + "\n" if found.broken else "nothing lost, nothing left over\n")
    return 1 if found.broken else 0


if __name__ == "__main__":
    sys.exit(main())
