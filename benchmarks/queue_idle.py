"""What a waiting worker costs: processor share, memory, and how soon it notices a job.

python benchmarks/queue_idle.py --seconds 60
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from db import records  # noqa: E402
from jobs.launch import start_detached, stop_worker  # noqa: E402
from jobs.queue import Queue  # noqa: E402
from recipes.home import Home  # noqa: E402
from recipes.recipe import Recipe  # noqa: E402

MISSING = Recipe.model_validate({"name": "missing", "data": {"source": "/no/such/folder"}})


def noticed(home: Home, queue: Queue) -> float:
    """Seconds from an enqueue to the claim."""
    reader = records.connect(home.database)
    job_id = queue.enqueue(MISSING)
    began = time.monotonic()
    while records.job(reader, job_id).attempt == 0:
        time.sleep(0.005)
    seconds = time.monotonic() - began
    queue.cancel(job_id, now=True)
    while records.job(reader, job_id).finished_at is None:
        time.sleep(0.05)
    reader.close()
    return seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="clf-idle-") as folder:
        home = Home(Path(folder))
        queue = Queue(home)
        process = psutil.Process(start_detached(home, device="cpu"))
        time.sleep(2.0)
        before, began = sum(process.cpu_times()[:2]), time.monotonic()
        time.sleep(options.seconds)
        share = (sum(process.cpu_times()[:2]) - before) / (time.monotonic() - began)
        resident = process.memory_info().rss / 1e6
        waits = [noticed(home, queue) for _ in range(5)]
        stop_worker(home)
        queue.close()
    sys.stdout.write(f"{share:.2%} of a core, {resident:.0f} MB, notices a job after {statistics.median(waits):.2f} s")
    sys.stdout.write(f" (at most {max(waits):.2f} s)\n")
    return 0 if share < 0.005 and resident < 80 and max(waits) < 1.0 else 1


if __name__ == "__main__":
    sys.exit(main())
