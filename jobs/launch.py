"""Workers that outlive the terminal: starting one in the background, stopping it, starting it anew."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from db.records import WorkerRecord
from jobs.liveness import is_alive, live_workers, worker_alive
from jobs.origin import import_path
from recipes.errors import QueueError
from recipes.home import Home

STOP_SECONDS = 120.0


def start_detached(home: Home, *, device: str = "auto", drain: bool = False, poll: float = 0.5) -> int:
    """Start a worker in a session of its own and return its pid once it is at its post; raises QueueError.

    It survives the end of this terminal; what it has to say goes to ``$CLF_HOME/workers/<device>.log``.
    """
    from jobs.device import resolve_device

    if not hasattr(os, "fork"):
        raise QueueError("this system cannot detach a worker", "run 'clf worker' in a window of its own")
    home.create()
    device = resolve_device(device)
    for worker in live_workers(home):
        if worker.device == device:
            raise QueueError(f"{device} already has a worker (pid {worker.pid})", "'clf worker stop' ends it")
    log = worker_log(home, device)
    told = _start(home, device, log, drain=drain, poll=poll)
    if not told.endswith("ready"):
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or [""]
        raise QueueError(f"the worker of {device} did not start: {lines[-1]}", f"see {log}")
    return int(told.split()[0])


def _start(home: Home, device: str, log: Path, *, drain: bool, poll: float) -> str:
    """Start it through a process in between that ends at once, so that init adopts it; what it said on the pipe."""
    reading, writing = os.pipe()
    words = [sys.executable, "-P", "-m", "jobs.launch", str(home.root), device]
    words += ["--ready", str(writing), "--poll", str(poll)]
    with log.open("ab") as out:
        subprocess.run(
            [*words, *(["--drain"] if drain else [])],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=home.root,
            env={**os.environ, **import_path()},
            start_new_session=True,
            pass_fds=[writing],
            check=False,
        )
    os.close(writing)
    with os.fdopen(reading) as pipe:
        return pipe.read().strip()  # ends when the worker is at its post, or dead


def worker_log(home: Home, device: str) -> Path:
    """Where a detached worker writes."""
    return home.workers / f"{device.replace(':', '_')}.log"


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
    """The worker in the background: ``python -m jobs.launch HOME DEVICE [--drain] [--ready PIPE]``.

    With a pipe it leaves its parent behind, writes its pid, and later "ready"; without one a service manager runs it.
    """
    parser = argparse.ArgumentParser(prog="jobs.launch")
    parser.add_argument("home", type=Path)
    parser.add_argument("device")
    parser.add_argument("--drain", action="store_true")
    parser.add_argument("--poll", type=float, default=0.5)
    parser.add_argument("--ready", type=int)
    options = parser.parse_args()
    if options.ready is None:
        return _run(options, ready=lambda: None)
    if os.fork():
        os._exit(0)
    os.write(options.ready, f"{os.getpid()} ".encode())
    return _run(options, ready=_once(options.ready))


def _once(pipe: int) -> Callable[[], None]:
    """Say "ready" the first time it is called."""
    left = [pipe]

    def ready() -> None:
        if left:
            os.write(left[0], b"ready")
            os.close(left.pop())

    return ready


def _run(options: argparse.Namespace, *, ready: Callable[[], None]) -> int:
    from jobs.worker import work
    from recipes.errors import ClfError

    logging.basicConfig(format="%(asctime)s  %(message)s")
    logging.getLogger("clf").setLevel(logging.INFO)
    log = logging.getLogger("clf.worker")
    log.info("worker of %s, pid %d", options.device, os.getpid())
    try:
        home = Home(options.home)
        return work(home, device=options.device, drain=options.drain, poll=options.poll, on_tick=lambda _job: ready())
    except ClfError as error:
        log.error("%s", error.message)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
