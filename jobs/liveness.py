"""Who is alive: the lock a process holds, and its pid with its start time; never a clock alone. Stdlib on Linux."""

from __future__ import annotations

import os
import platform
import sqlite3
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

from db import records
from db.records import WorkerRecord
from recipes.home import Home

CHILD_LOCK = "child.lock"  # in the run directory, held as long as the child lives
ZOMBIE_STATES = ("Z", "X")


def process_start(pid: int) -> float | None:
    """When `pid` started, in seconds by a clock nobody sets; None when there is no such process (or only its zombie).

    Linux: seconds since boot from /proc, because psutil's figure moves when the wall clock is set. Elsewhere: the
    time the kernel noted at the start.
    """
    if sys.platform == "linux":
        try:
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] in ZOMBIE_STATES else int(fields[19]) / os.sysconf("SC_CLK_TCK")
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else float(process.create_time())
    except psutil.Error:
        return None


def is_alive(pid: int, started: float) -> bool:
    """Whether the process that started at `started` (of process_start) still runs; a recycled pid does not count."""
    now = process_start(pid)
    return now is not None and abs(now - started) < 0.05


@cache
def boot_id() -> str:
    """Differs after every start of the machine, so that a pid from before is never mistaken for alive."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        pass
    if sys.platform == "darwin":
        command = ["sysctl", "-n", "kern.bootsessionuuid"]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    import psutil

    return str(int(psutil.boot_time() // 60))


def host() -> str:
    return platform.node()


def lock_held(path: Path) -> bool:
    """Whether some process holds the lock file `path`; a missing file is not held."""
    if sys.platform == "win32":
        return _lock_held_elsewhere(path)
    import fcntl

    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _lock_held_elsewhere(path: Path) -> bool:
    from filelock import FileLock, Timeout

    if not path.exists():
        return False
    try:
        FileLock(path).acquire(timeout=0).lock.release()
    except Timeout:
        return True
    return False


def worker_lock(home: Home, device: str) -> Path:
    """The file whose lock a device's worker holds."""
    return home.workers / f"{device.replace(':', '_')}.lock"


def worker_alive(home: Home, worker: WorkerRecord) -> bool:
    """A worker lives when its lock is held and its process still runs, in this session of the machine."""
    return (
        worker.boot_id == boot_id()
        and is_alive(worker.pid, worker.pid_started)
        and lock_held(worker_lock(home, worker.device))
    )


def child_alive(run_dir: Path | None, pid: int | None, started: float | None, boot: str) -> bool:
    """Whether an attempt's child may still write: dead only when neither the lock nor the process says otherwise."""
    if run_dir is not None and lock_held(run_dir / CHILD_LOCK):
        return True
    return pid is not None and started is not None and boot == boot_id() and is_alive(pid, started)


def live_workers(home: Home) -> list[WorkerRecord]:
    """The workers that run now, by device; empty when there is no database."""
    try:
        connection = records.connect(home.database)
    except sqlite3.OperationalError:
        return []
    try:
        return [replace(worker, alive=True) for worker in records.workers(connection) if worker_alive(home, worker)]
    finally:
        connection.close()
