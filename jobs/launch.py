"""Workers that outlive the terminal: starting one in the background, stopping it, starting it anew."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from db.records import WorkerRecord
from jobs.liveness import is_alive, live_workers, worker_alive
from recipes.errors import QueueError
from recipes.home import Home

START_SECONDS = 30.0
STOP_SECONDS = 120.0
ROOT = Path(__file__).parents[1]


def start_detached(home: Home, *, device: str = "auto", drain: bool = False) -> int:
    """Start a worker in a session of its own and return its pid once it is at its post; raises QueueError.

    It survives the end of this terminal; what it has to say goes to ``$CLF_HOME/workers/<device>.log``.
    """
    from jobs.device import resolve_device

    home.create()
    device = resolve_device(device)
    for worker in live_workers(home):
        if worker.device == device:
            raise QueueError(f"{device} already has a worker (pid {worker.pid})", "'clf worker stop' ends it")
    log = worker_log(home, device)
    words = [sys.executable, "-P", "-m", "jobs.launch", str(home.root), device, *(["--drain"] if drain else [])]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).strip(":"),
    }
    with log.open("ab") as out:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=home.root,
            env=environment,
            start_new_session=True,
        )
    _await_post(home, device, process, log)
    return process.pid


def worker_log(home: Home, device: str) -> Path:
    """Where a detached worker writes."""
    return home.workers / f"{device.replace(':', '_')}.log"


def _await_post(home: Home, device: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if any(worker.pid == process.pid for worker in live_workers(home)):
            return
        if process.poll() is not None:
            if process.returncode == 0:  # a drain that found nothing to do
                return
            lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or [""]
            raise QueueError(f"the worker of {device} did not start: {lines[-1]}", f"see {log}")
        time.sleep(0.05)
    raise QueueError(f"the worker of {device} is not ready after {START_SECONDS:.0f} s", f"see {log}")


def stop_worker(home: Home, *, device: str | None = None, now: bool = False) -> list[int]:
    """Ask the live workers (of `device`, or all) to leave and wait for them; their pids.

    Their jobs write a checkpoint and go back to the queue; `now` does not wait for that.
    """
    found = [worker for worker in live_workers(home) if device in (None, worker.device)]
    for worker in found:
        if now:
            _request(home, worker, 2)
        if is_alive(worker.pid, worker.pid_started):
            os.kill(worker.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while any(worker_alive(home, worker) for worker in found):
        if time.monotonic() > deadline:
            raise QueueError(f"the worker (pid {found[0].pid}) has not left yet", "clf worker stop --now")
        time.sleep(0.05)
    return [worker.pid for worker in found]


def restart_worker(home: Home, *, device: str | None = None, now: bool = False) -> list[int]:
    """Stop the live workers (of `device`, or all) and start one for each of their devices; the new pids."""
    devices = [worker.device for worker in live_workers(home) if device in (None, worker.device)]
    stop_worker(home, device=device, now=now)
    return [start_detached(home, device=each) for each in devices]


def _request(home: Home, worker: WorkerRecord, urgency: int) -> None:
    connection = sqlite3.connect(home.database, timeout=30.0, isolation_level=None)
    try:
        connection.execute("UPDATE worker SET stop_requested = ? WHERE id = ?", (urgency, worker.id))
    finally:
        connection.close()


def main() -> int:
    """The detached worker itself: ``python -m jobs.launch HOME DEVICE [--drain]``."""
    import logging

    from jobs.worker import work
    from recipes.errors import ClfError

    logging.basicConfig(format="%(asctime)s  %(message)s")
    logging.getLogger("clf").setLevel(logging.INFO)
    logging.getLogger("clf.worker").info("worker of %s, pid %d", sys.argv[2], os.getpid())
    try:
        return work(Home(Path(sys.argv[1])), device=sys.argv[2], drain="--drain" in sys.argv)
    except ClfError as error:
        logging.getLogger("clf.worker").error("%s", error.message)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
