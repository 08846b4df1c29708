"""How soon the queue goes on after a kill: of the child, of the worker, of both.

    python benchmarks/queue_recovery.py --times 10

Real processes around a stand-in for the training. Prints for each kind of kill the median and the longest of: noticed
(the next attempt is claimed, or the child adopted) and back (the first step after it).
"""

from __future__ import annotations

import argparse
import os
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from db import records  # noqa: E402
from jobs.inbox import Inbox  # noqa: E402
from recipes.home import Home  # noqa: E402
from recipes.recipe import Recipe  # noqa: E402

PROMISED = 2.0  # seconds from the death of a child to its next attempt
LIMIT = 120.0
ENDLESS = Recipe.model_validate(
    {
        "name": "recovery",
        "description": "steps 1000000 slow",  # for tests/jobs/child_steps.py
        "data": {"source": "digits"},
        "run": {"epochs": 2},
    }
)


class Bench:
    """One job that runs on, its worker, and a reader."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.job_id = Inbox(home).enqueue(ENDLESS)
        self.reader: sqlite3.Connection = records.connect(home.database)
        self.worker = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        words = [sys.executable, str(ROOT / "tests/jobs/worker_with.py"), str(self.home.root), "child_steps.py"]
        log = (self.home.root / "worker.out").open("ab")
        return subprocess.Popen(words, stdout=log, stderr=log, env={**os.environ, "PYTHONPATH": str(ROOT)})

    def wait(self, true: Callable[[], object]) -> float:
        """The moment `true()` held."""
        deadline = time.monotonic() + LIMIT
        while not true():
            if time.monotonic() > deadline:
                raise TimeoutError
            time.sleep(0.005)
        return time.monotonic()

    def trains(self) -> None:
        """Wait until the job has moved on by some steps, checkpoints included."""
        before = records.job(self.reader, self.job_id)
        self.wait(lambda: records.job(self.reader, self.job_id).step > before.step + 12)

    def adoptions(self) -> int:
        return sum(event.kind == "adopted" for event in records.events(self.reader, self.job_id, limit=100_000))

    def kill(self, victims: str) -> tuple[float, float]:
        """(seconds until noticed, seconds until the next step) after SIGKILL."""
        self.trains()
        job, adoptions = records.job(self.reader, self.job_id), self.adoptions()
        assert job.pid is not None
        if "worker" in victims:
            self.worker.kill()
            self.worker.wait()
        if "child" in victims:
            os.kill(job.pid, signal.SIGKILL)
        began = time.monotonic()
        if "worker" in victims:
            self.worker = self.start()
        if "child" in victims:
            noticed = self.wait(lambda: records.job(self.reader, self.job_id).attempt > job.attempt)
            back = self.wait(lambda: self._stepped(job.attempt))
        else:
            noticed = back = self.wait(lambda: self.adoptions() > adoptions)
        return noticed - began, back - began

    def _stepped(self, attempt: int) -> bool:
        query = "SELECT 1 FROM metric WHERE job_id = ? AND attempt > ? LIMIT 1"
        return self.reader.execute(query, (self.job_id, attempt)).fetchone() is not None

    def close(self) -> None:
        for number in (signal.SIGTERM, signal.SIGTERM):
            self.worker.send_signal(number)
            time.sleep(0.3)
        self.worker.wait()
        self.reader.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=10)
    options = parser.parse_args()
    slow = False
    with tempfile.TemporaryDirectory(prefix="clf-recovery-") as folder:
        bench = Bench(Home(Path(folder)))
        for victims in ("child", "worker", "worker and child"):
            noticed, back = zip(*(bench.kill(victims) for _ in range(options.times)), strict=True)
            slow |= victims == "child" and max(noticed) > PROMISED
            sys.stdout.write(
                f"{victims:17} noticed after {statistics.median(noticed):.2f} s (at most {max(noticed):.2f} s),"
                f" back after {statistics.median(back):.2f} s (at most {max(back):.2f} s)\n"
            )
            sys.stdout.flush()
        bench.close()
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
