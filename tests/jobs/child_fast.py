"""The smallest child: holds the lock, leaves a mark that it ran, writes its ending. Standard library and filelock."""

from __future__ import annotations

import argparse
import sqlite3
import sys
import time
from pathlib import Path

from filelock import FileLock, Timeout

from jobs.ending import EXIT_CODES, End, Ending, write_ending
from jobs.liveness import CHILD_LOCK

SECONDS = 0.05


def main() -> int:
    parser = argparse.ArgumentParser()
    for name, kind in (("--home", Path), ("--job", int), ("--token", str)):
        parser.add_argument(name, type=kind)
    options = parser.parse_args()
    run_dir = Path.cwd()
    connection = sqlite3.connect(f"{(options.home / 'clf.db').as_uri()}?mode=ro", uri=True, timeout=30)
    row = connection.execute("SELECT token, device FROM job WHERE id = ?", (options.job,)).fetchone()
    connection.close()
    device = str(row[1]).replace(":", "_")
    lock = options.home / "workers" / f"{device}.child.lock"
    try:
        with FileLock(run_dir / CHILD_LOCK, timeout=30), FileLock(lock, timeout=30):
            return train(run_dir, options.token, options.home, options.job)
    except Timeout:
        return 76


def train(run_dir: Path, token: str, home: Path, job_id: int) -> int:
    connection = sqlite3.connect(f"{(home / 'clf.db').as_uri()}?mode=ro", uri=True, timeout=30)
    row = connection.execute("SELECT token, device FROM job WHERE id = ?", (job_id,)).fetchone()
    connection.close()
    if row[0] != token:
        return 76
    with (run_dir / "spans.txt").open("a") as file:  # device, when it began, and, if it lived so long, when it ended
        file.write(f"{row[1]} {time.monotonic()}")
        file.flush()
        time.sleep(SECONDS)
        file.write(f" {time.monotonic()}\n")
    write_ending(run_dir, token, Ending(End.SUCCEEDED, outcome="completed"))
    return EXIT_CODES[End.SUCCEEDED]


if __name__ == "__main__":
    sys.exit(main())
