"""How fast the queue is when it is full: 10,000 finished jobs and 5 million metric rows.

    python benchmarks/queue_scale.py

Prints seconds for what a person waits for: a status line, an enqueue, a claim, a chart. Each in a process of its
own where a person would start one.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.tui import Terminal  # noqa: E402
from db import records  # noqa: E402
from jobs.claims import claim  # noqa: E402
from jobs.queue import Queue  # noqa: E402
from recipes.home import Home  # noqa: E402
from recipes.recipe import Recipe  # noqa: E402

RECIPE = Recipe.model_validate({"name": "scale", "data": {"source": "digits"}})
CLF = ("-c", "from tui.cli import main; main()")
TAB = ("-c", "import os; os.environ['_CLF_COMPLETE'] = 'bash'; from tui.cli import main; main()")
LIST = """
import sys; from pathlib import Path
from db import records
records.jobs(records.connect(Path(sys.argv[1]) / "clf.db"), limit=50)
"""


def fill(home: Home, jobs: int, rows: int) -> None:
    """`jobs` finished jobs that share `rows` metric rows evenly, and ten that wait."""
    queue = Queue(home)
    first = queue.enqueue(RECIPE)
    for _ in range(9):
        queue.enqueue(RECIPE)
    queue.close()
    connection = sqlite3.connect(home.database, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    columns = [row[1] for row in connection.execute("PRAGMA table_info(job)") if row[1] != "id"]
    changed = {"state": "'succeeded'", "finished_at": "created_at + :n", "position": ":n + 100"}
    values = ", ".join(changed.get(name, name) for name in columns)
    connection.execute("BEGIN")
    query = f"INSERT INTO job ({', '.join(columns)}) SELECT {values} FROM job WHERE id = :first"
    connection.executemany(query, ({"n": n, "first": first} for n in range(jobs)))
    each = rows // jobs
    ids = [row[0] for row in connection.execute("SELECT id FROM job WHERE state = 'succeeded'")]
    connection.executemany(
        "INSERT INTO metric VALUES (?, ?, ?, ?, ?, 1, 'train', ?, 0.0)",
        (
            (job, split, name, step, step / 10, 1 / (step + 1))
            for job in ids
            for split, name in (
                ("step", "loss"),
                ("step", "lr"),
                ("train", "loss"),
                ("val", "accuracy"),
                ("val", "loss"),
            )
            for step in range(each // 5)
        ),
    )
    long = ids[-1]  # one run of a week: a million readings
    connection.executemany(
        "INSERT OR REPLACE INTO metric VALUES (?, 'step', 'images_per_second', ?, ?, 1, 'train', ?, 0.0)",
        ((long, step, step / 1000, float(step % 977)) for step in range(1_000_000)),
    )
    connection.execute("COMMIT")
    connection.close()


def best_of(times: int, action: Callable[[], object]) -> tuple[float, float]:
    """(seconds, processor seconds) of the fastest of `times` calls; they differ where the machine was busy."""
    found = []
    for _ in range(times):
        began, used = time.perf_counter(), processor_seconds()
        action()
        found.append((time.perf_counter() - began, processor_seconds() - used))
    return min(found)


def processor_seconds() -> float:
    """Of this process and the children it waited for."""
    return sum(os.times()[:4])


def command(home: Home, *words: str) -> Callable[[], object]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CLF_HOME": str(home.root)}

    quiet = subprocess.DEVNULL

    def run() -> None:
        subprocess.run([sys.executable, *words], env=environment, check=True, stdout=quiet, stderr=quiet)

    return run


def screen(home: Home) -> None:
    """Open the app in a pseudo-terminal and leave when the queue stands there."""
    terminal = Terminal(home)
    terminal.read(20, until=b"scale")
    terminal.close()


def measure(home: Home) -> list[tuple[str, tuple[float, float], float]]:
    """(what, (seconds, processor seconds), the most seconds it may take)."""
    reader = records.connect(home.database)
    queue = Queue(home)
    last = reader.execute("SELECT max(job_id) FROM metric WHERE name = 'images_per_second'").fetchone()[0]
    root = str(home.root)
    found = [
        ("clf status", best_of(5, command(home, *CLF, "status")), 0.3),
        ("clf enqueue", best_of(5, command(home, *CLF, "enqueue", "demo")), 0.6),
        ("TAB behind 'clf show '", best_of(5, command(home, *TAB, "show", "")), 0.2),
        ("TAB behind 'clf enqueue demo --'", best_of(5, command(home, *TAB, "enqueue", "demo", "--")), 0.2),
        ("clf tui, until a job is drawn", best_of(5, lambda: screen(home)), 1.0),
        ("list of 50 jobs (process)", best_of(5, command(home, "-c", LIST, root)), 0.3),
        ("enqueue (one more)", best_of(5, lambda: queue.enqueue(RECIPE)), 0.6),
        ("list of 200 jobs", best_of(5, lambda: records.jobs(reader, limit=200)), 1.0),
        ("list of all jobs", best_of(3, lambda: records.jobs(reader)), 1.0),
        ("jobs with a text nobody wrote", best_of(3, lambda: records.jobs(reader, text="zebra")), 1.0),
        ("series of 100 points", best_of(5, lambda: records.series(reader, last - 5, "val", "accuracy")), 0.05),
        (
            "series of 1,000,000 points",
            best_of(3, lambda: records.series(reader, last, "step", "images_per_second")),
            5.0,
        ),
    ]
    with queue.database.transaction() as session:
        session.connection().exec_driver_sql("INSERT INTO worker SELECT 1,'cpu',NULL,1,0,'','',0,0,0,0,0,0,0,0,0")
    found.append(("claim", best_of(1, lambda: claim(queue.database, home, 1, "cpu")), 0.05))
    assert reader.execute("SELECT count(*) FROM job WHERE state = 'running'").fetchone()[0] == 1
    reader.close()
    queue.close()
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=5_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="clf-scale-") as folder:
        home = Home(Path(folder))
        began = time.perf_counter()
        fill(home, options.jobs, options.rows)
        size = home.database.stat().st_size / 1e6
        sys.stdout.write(f"filled in {time.perf_counter() - began:.0f} s: {size:.0f} MB\n")
        slow = False
        sys.stdout.write(f"{'':32} {'seconds':>9} {'processor':>10} {'at most':>8}\n")
        for what, (seconds, processor), most in measure(home):
            slow |= seconds > most
            mark = "  too slow" if seconds > most else ""
            sys.stdout.write(f"{what:32} {seconds:9.4f} {processor:10.4f} {most:8}{mark}\n")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
