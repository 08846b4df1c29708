"""Two workers, four clients, and somebody who kills them at random: what was acknowledged ends exactly once.

    python benchmarks/queue_chaos.py --jobs 1000

Real processes and a real database around a child that does nothing. Prints what was killed and what was checked;
exit code 1 when a promise was broken.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from db import records  # noqa: E402
from jobs.inbox import Inbox  # noqa: E402
from recipes.home import Home  # noqa: E402
from recipes.recipe import Recipe  # noqa: E402

DEVICES = ("cuda:0", "cuda:1")  # names only: the stand-in child touches no device
CLIENTS = 4
PACE = 0.3  # seconds between two enqueues of a client, so that all of them last as long as the workers do
ENQUEUE = 0.012  # seconds: a kill this long after the announcement of an enqueue falls within it or just behind it
KINDS = ("worker", "child", "both", "client", "client", "client")
ENDS = ("succeeded", "failed", "cancelled")


def client(home: Home, count: int, acknowledged: Path) -> None:
    """Enqueue `count` jobs, announcing each on stdout; an id is acknowledged once it stands in the file."""
    inbox = Inbox(home)
    recipe = Recipe.model_validate({"name": "chaos", "data": {"source": "digits"}})
    for _ in range(count):
        os.write(1, b".")
        job_id = inbox.enqueue(recipe, retries=1000)
        with acknowledged.open("a") as file:
            file.write(f"{job_id}\n")
        time.sleep(PACE)


class Chaos:
    """The processes of one run, kept alive and killed."""

    def __init__(self, home: Home, jobs: int, seed: int) -> None:
        self.home, self.jobs = home, jobs
        self.random = random.Random(seed)
        self.killed: Counter[str] = Counter()
        self.workers: dict[str, subprocess.Popen[bytes]] = {}
        self.clients: dict[int, subprocess.Popen[bytes]] = {}
        self.log = (home.root / "workers.out").open("ab")

    def acknowledged(self, number: int | None = None) -> list[int]:
        numbers = range(CLIENTS) if number is None else [number]
        paths = [self.home.root / f"acknowledged-{each}" for each in numbers]
        return [int(line) for path in paths if path.exists() for line in path.read_text().split()]

    def keep_alive(self) -> None:
        for device in DEVICES:
            if device not in self.workers or self.workers[device].poll() is not None:
                script = str(ROOT / "tests" / "jobs" / "worker_with.py")
                self.workers[device] = self._start([script, str(self.home.root), "child_fast.py", "--device", device])
        for number in range(CLIENTS):
            left = self.jobs // CLIENTS - len(self.acknowledged(number))
            if left > 0 and (number not in self.clients or self.clients[number].poll() is not None):
                path = self.home.root / f"acknowledged-{number}"
                words = [__file__, "--client", str(path), "--home", str(self.home.root), "--jobs", str(left)]
                self.clients[number] = self._start(words, subprocess.PIPE)

    def _start(self, words: list[str], out: int | None = None) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        stdout = self.log if out is None else out
        return subprocess.Popen([sys.executable, *words], stdout=stdout, stderr=self.log, env=environment)

    def strike(self) -> None:
        """Kill one process, of a kind drawn at random."""
        kind = self.random.choice(KINDS)
        if kind in ("worker", "both"):
            self._kill("worker", self.random.choice(list(self.workers.values())).pid)
        if kind in ("child", "both"):
            pids = [process.pid for process in self._children()]
            if pids:
                self._kill("child", self.random.choice(pids))
        if kind == "client":
            alive = [process for process in self.clients.values() if process.poll() is None]
            if alive:
                self._kill_in_the_act(self.random.choice(alive))

    def _kill_in_the_act(self, client: subprocess.Popen[bytes]) -> None:
        """Kill a client at a random moment of its next enqueue."""
        assert client.stdout is not None
        pipe = client.stdout.fileno()
        os.set_blocking(pipe, False)
        with suppress(BlockingIOError):
            os.read(pipe, 4096)  # earlier announcements
        if select.select([pipe], [], [], 2.0)[0]:
            time.sleep(self.random.uniform(0.0, ENQUEUE))
            self._kill("client", client.pid)

    def _children(self) -> Iterator[psutil.Process]:
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                words = process.cmdline()
                if "--token" in words and str(self.home.root) in words:
                    yield process

    def _kill(self, kind: str, pid: int) -> None:
        try:
            os.kill(pid, signal.SIGKILL)
            self.killed[kind] += 1
        except ProcessLookupError:
            pass

    def stop(self) -> None:
        for process in [*self.workers.values(), *self.clients.values()]:
            process.terminate()
        for process in [*self.workers.values(), *self.clients.values()]:
            process.wait()
        self.log.close()


def run(home: Home, jobs: int, seed: int, pause: float, limit: float) -> Chaos:
    """Keep killing until every job was enqueued and ended, or `limit` seconds are over."""
    Inbox(home)
    chaos = Chaos(home, jobs, seed)
    reader = records.connect(home.database)
    deadline = time.monotonic() + limit
    struck = time.monotonic() + 2.0
    try:
        while time.monotonic() < deadline:
            chaos.keep_alive()
            left = reader.execute("SELECT count(*) FROM job WHERE finished_at IS NULL").fetchone()[0]
            if left == 0 and len(chaos.acknowledged()) >= jobs // CLIENTS * CLIENTS:
                break
            if time.monotonic() >= struck:
                chaos.strike()
                struck = time.monotonic() + chaos.random.expovariate(1 / pause)
            time.sleep(0.02)
    finally:
        reader.close()
        chaos.stop()
    return chaos


def there(home: Home) -> int:
    """How many jobs the queue holds."""
    reader = records.connect(home.database)
    count = int(reader.execute("SELECT count(*) FROM job").fetchone()[0])
    reader.close()
    return count


def check(home: Home, acknowledged: list[int]) -> list[str]:
    """The promises that were broken."""
    reader = records.connect(home.database)
    states = dict(reader.execute("SELECT id, state FROM job").fetchall())
    ends = Counter(row[0] for row in reader.execute(f"SELECT job_id FROM event WHERE kind IN {ENDS}"))
    broken = [f"#{job_id} was acknowledged and is lost" for job_id in acknowledged if job_id not in states]
    broken += [f"#{job_id} is {state}" for job_id, state in states.items() if state not in ENDS]
    broken += [f"#{job_id} ended {ends[job_id]} times" for job_id in states if ends[job_id] != 1]
    broken += [f"#{job_id} was acknowledged twice" for job_id, count in Counter(acknowledged).items() if count != 1]
    integrity = reader.execute("PRAGMA integrity_check").fetchone()[0]
    broken += [f"integrity: {integrity}"] if integrity != "ok" else []
    broken += [f"foreign keys: {row}" for row in map(tuple, reader.execute("PRAGMA foreign_key_check"))]
    reader.close()
    return broken + overlaps(home)


def overlaps(home: Home) -> list[str]:
    """Two children that were at work on one device at once; one that was killed left no end and is not counted."""
    spans: dict[str, list[tuple[float, float]]] = {}
    for path in home.runs.glob("*/spans.txt"):
        for line in path.read_text().splitlines():
            device, *times = line.split()
            if len(times) == 2:
                spans.setdefault(device, []).append((float(times[0]), float(times[1])))
    found = []
    for device, times_of in spans.items():
        ordered = sorted(times_of)
        pairs = itertools.pairwise(ordered)
        found += [f"two children on {device} at {later[0]:.3f}" for first, later in pairs if later[0] < first[1]]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pause", type=float, default=0.4, help="mean seconds between two kills")
    parser.add_argument("--limit", type=float, default=3600.0, help="give up after so many seconds")
    parser.add_argument("--home", type=Path)
    parser.add_argument("--client", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client is not None:
        client(Home(options.home), options.jobs, options.client)
        return 0
    home = Home(options.home or Path(tempfile.mkdtemp(prefix="clf-chaos-"))).create()
    began = time.monotonic()
    chaos = run(home, options.jobs, options.seed, options.pause, options.limit)
    acknowledged = chaos.acknowledged()
    broken = check(home, acknowledged)
    seconds = time.monotonic() - began
    killed = ", ".join(f"{count} {kind}" for kind, count in sorted(chaos.killed.items()))
    sys.stdout.write(f"{len(acknowledged)} jobs acknowledged in {seconds:.0f} s; killed: {killed or 'nothing'}\n")
    sys.stdout.write(
        f"{there(home) - len(acknowledged)} more were added by a client that died before it could say so\n"
    )
    sys.stdout.write("\n".join(broken) + "\n" if broken else "every job ended exactly once; the database is sound\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
