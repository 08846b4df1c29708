"""The budgets of the screen, measured on a database of 200 jobs and 5 million metric rows.

    python benchmarks/tui.py [--rows 5000000] [--home DIR]

Prints each figure beside its budget: time to the first screen (a fresh process, imports included), key press to
screen (95th percentile), idle CPU, memory, and bytes sent to a terminal in a minute of watching a running job.
The first and the last two run the real `clf tui` in a pseudo-terminal of 120 x 40.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import select
import sqlite3
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import psutil

from recipes.home import Home
from tests.tui.fill import NOW, fill

SIZE = (120, 40)
KEYS = (b"j", b"j", b"j", b"k", b"G", b"g", b"\x04", b"j", b"k", b"j", b" ", b"s", b"S", b"s", b"z", b"z", b"?", b"?")


def prepare(folder: Path, rows: int) -> Home:
    """200 jobs; the metric rows spread over ten of them and the running one, as within-epoch readings."""
    home = Home(folder)
    (folder / "tui.json").unlink(missing_ok=True)  # sort and layout as at first
    if home.database.exists():
        return home
    fill(home, jobs=200)
    database = sqlite3.connect(home.database)
    database.execute("PRAGMA synchronous = OFF")
    owners = [2, 1, 9, 6, *range(10, 17)]
    each = rows // len(owners) // 3
    for owner in owners:
        for name in ("loss", "lr", "images_per_second"):
            database.execute(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
                " INSERT OR IGNORE INTO metric (job_id, split, name, step, epoch, attempt, stage, value, at)"
                " SELECT ?, 'step', ?, i, i * 36.0 / ?, 1, 'finetune', 1.0 / (1 + i * 5.0 / ?) + (i % 97) * 1e-3, ? + i"
                " FROM n",
                (each, owner, name, each, each, NOW - 100_000),
            )
        database.commit()
    database.close()
    return home


class Terminal:
    """`clf tui` in a pseudo-terminal; counts what it sends."""

    def __init__(self, home: Home) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", SIZE[1], SIZE[0], 0, 0))
        environment = {**os.environ, "CLF_HOME": str(home.root), "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        self.started = time.perf_counter()
        command = [sys.executable, "-m", "tui.cli", "tui"]
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True
        )
        os.close(slave)
        self.seen = b""

    def read(self, seconds: float, until: bytes | None = None, until_any: bool = False) -> int:
        """Bytes that came in `seconds`, or until some text did, or anything."""
        end, count = time.perf_counter() + seconds, 0
        while (left := end - time.perf_counter()) > 0:
            if select.select([self.master], [], [], left)[0]:
                try:
                    new = os.read(self.master, 65536)
                except OSError:
                    break
                count += len(new)
                self.seen += new
                if until_any or (until and until in self.seen):
                    break
        return count

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(10)
        os.close(self.master)


def keys(home: Home) -> list[float]:
    """Milliseconds from a key press until the screen's answer has arrived at the terminal."""
    terminal = Terminal(home)
    terminal.read(6)
    times = []
    for key in KEYS * 6:
        start = time.perf_counter()
        os.write(terminal.master, key)
        if terminal.read(2, until_any=True):
            times.append((time.perf_counter() - start) * 1e3)
        terminal.read(0.15)
    terminal.close()
    return times


def first_screen(home: Home) -> float:
    """Seconds from the start of the process until a job's row was sent."""
    terminal = Terminal(home)
    terminal.read(20, until=b"two_stage")
    taken = time.perf_counter() - terminal.started
    terminal.close()
    return taken


def idle(home: Home, seconds: float) -> tuple[float, float]:
    """CPU share of one core while nothing changes, and resident memory in MB."""
    terminal = Terminal(home)
    terminal.read(6)
    process = psutil.Process(terminal.process.pid)
    before = process.cpu_times()
    terminal.read(seconds)
    after = process.cpu_times()
    memory = process.memory_info().rss / 1e6
    terminal.close()
    return (after.user + after.system - before.user - before.system) / seconds, memory


def watching(home: Home, seconds: float) -> tuple[float, float]:
    """Bytes per second and CPU share while a running job reports twice a second."""
    terminal = Terminal(home)
    terminal.read(6)
    process = psutil.Process(terminal.process.pid)
    before, sent, end = process.cpu_times(), 0, time.perf_counter() + seconds
    database = sqlite3.connect(home.database, isolation_level=None, timeout=10)
    step = database.execute("SELECT max(step) FROM metric WHERE job_id = 2 AND split = 'step'").fetchone()[0]
    while time.perf_counter() < end:
        step += 5
        _report(database, step)
        sent += terminal.read(0.5)
    after = process.cpu_times()
    database.close()
    terminal.close()
    return sent / seconds, (after.user + after.system - before.user - before.system) / seconds


def _report(database: sqlite3.Connection, step: int) -> None:
    """What a recorder writes at a reading of a step."""
    now = time.time()
    database.execute(
        "UPDATE job SET step = step + 5, epoch_step = epoch_step + 5, train_loss = ?, images_per_second = ?,"
        " eta_seconds = eta_seconds - 0.5, progress_at = ? WHERE id = 2",
        (0.8 + step % 7 / 100, 1180.0 + step % 11, now),
    )
    for name, value in (("loss", 0.8 + step % 7 / 100), ("lr", 4e-4), ("images_per_second", 1180.0 + step % 11)):
        database.execute(
            "INSERT OR REPLACE INTO metric (job_id, split, name, step, epoch, attempt, stage, value, at)"
            " VALUES (2, 'step', ?, ?, ?, 1, 'finetune', ?, ?)",
            (name, step, 36.0 + step % 1000 / 1000, value, now),
        )


def _say(what: str, value: str, budget: str) -> None:
    print(f"{what:38} {value:>12}   budget {budget}", flush=True)


def main() -> None:
    """Prepare the database (minutes for 5 million rows), then measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--seconds", type=float, default=30.0)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = prepare(chosen.home or Path(folder) / "home", chosen.rows)
        rows = sqlite3.connect(home.database).execute("SELECT count(*) FROM metric").fetchone()[0]
        print(f"200 jobs, {rows:,} metric rows, {home.database.stat().st_size / 1e6:.0f} MB, {SIZE[0]} x {SIZE[1]}")
        starts = [first_screen(home) for _ in range(3)]
        _say("first screen", f"{statistics.median(starts):.2f} s", "< 1.0 s and imports")
        pressed = sorted(keys(home))
        _say("key press to screen, median", f"{statistics.median(pressed):.0f} ms", "")
        _say("key press to screen, 95th percentile", f"{pressed[int(len(pressed) * 0.95)]:.0f} ms", "< 100 ms")
        (home.root / "tui.json").unlink(missing_ok=True)
        share, memory = idle(home, chosen.seconds)
        _say("idle CPU", f"{share:.1%}", "< 3%")
        _say("memory", f"{memory:.0f} MB", "< 150 MB")
        sent, busy = watching(home, chosen.seconds)
        _say("sent while watching a running job", f"{sent / 1e3:.2f} kB/s", "< 5 kB/s")
        _say("CPU while watching", f"{busy:.1%}", "")


if __name__ == "__main__":
    main()
