"""The budgets of the screen, measured on a database of 200 jobs and 5 million metric rows.

    python benchmarks/tui.py [--database DIR] [--rows 5000000] [--rounds 2]

Prints each figure beside its budget. The first screen and the keys are measured under Textual's test driver, whose
output is rendered and counted (benchmarks/tui_keys.py); idle CPU, memory and the bytes sent while watching a running
job by the real `clf tui` in a pseudo-terminal. The database is built once and kept where --database says. Processor
times are given beside the seconds because they hold on a busy machine, too.
"""

from __future__ import annotations

import argparse
import asyncio
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

from benchmarks.tui_keys import GROUPS, table, walk
from recipes.home import Home
from tests.tui.fill import NOW, fill

SIZE = (120, 40)
KEYS_SCRIPT = Path(__file__).with_name("tui_keys.py")


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


WHO = b"\x1b[c"  # the question that the app waits for an answer to


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
                if WHO in new:
                    os.write(self.master, b"\x1b[?62;22c")  # what it is, as every terminal says: a VT220 with colours
                if until_any or (until and until in self.seen):
                    break
        return count

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(10)
        os.close(self.master)


def first_screen(home: Home) -> tuple[float, float]:
    """(seconds, processor seconds) until the jobs are drawn, in a fresh process whose imports are done."""
    command = [sys.executable, str(KEYS_SCRIPT), str(home.root), "--first"]
    words = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return float(words[0]), float(words[1])


def whole_start(home: Home) -> tuple[float, float]:
    """(seconds, processor seconds) from the start of the process, imports included, until a job's row was sent."""
    terminal = Terminal(home)
    terminal.read(20, until=b"two_stage")
    taken = time.perf_counter() - terminal.started
    times = psutil.Process(terminal.process.pid).cpu_times()
    terminal.close()
    return taken, times.user + times.system


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
    parser.add_argument("--database", type=Path, help="a folder for the database, kept for the next time")
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=2, help="how often every key is pressed")
    parser.add_argument("--seconds", type=float, default=30.0, help="of idling, and of watching")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = prepare(chosen.database or Path(folder) / "home", chosen.rows)
        rows = sqlite3.connect(home.database).execute("SELECT count(*) FROM metric").fetchone()[0]
        print(f"200 jobs, {rows:,} metric rows, {home.database.stat().st_size / 1e6:.0f} MB, {SIZE[0]} x {SIZE[1]}")
        measure(home, chosen.rounds, chosen.seconds)


def measure(home: Home, rounds: int, seconds: float) -> None:
    """All figures, each on its line."""
    for what, start, budget in (
        ("first screen after imports", first_screen, "< 1.0 s"),
        ("first screen, process and imports", whole_start, ""),
    ):
        runs = sorted(start(home) for _ in range(5))
        _say(what, f"{runs[2][0]:.2f} s", f"{budget} ({statistics.median(cpu for _, cpu in runs):.2f} s of processor)")
    (home.root / "tui.json").unlink(missing_ok=True)
    print(
        "\n".join(
            ["", *table(asyncio.run(walk(home, GROUPS, rounds))), "budget for all keys: 95% answered within 100 ms", ""]
        )
    )
    (home.root / "tui.json").unlink(missing_ok=True)
    share, memory = idle(home, seconds)
    _say("idle CPU", f"{share:.1%}", "< 3%")
    _say("memory", f"{memory:.0f} MB", "< 150 MB")
    sent, busy = watching(home, seconds)
    _say("sent while watching a running job", f"{sent / 1e3:.2f} kB/s", "< 5 kB/s")
    _say("CPU while watching", f"{busy:.1%}", "")


if __name__ == "__main__":
    main()
