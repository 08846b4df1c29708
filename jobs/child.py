"""The process that trains an attempt, as its worker sees it: started here, or adopted from a worker that died."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

import psutil

from core.resident import resident
from jobs.claims import Held
from jobs.ending import ENDING_FILE, Ending, of_exit, read_ending
from jobs.liveness import boot_id, child_alive, is_alive, process_start
from jobs.memory_kill import MemoryWatch
from jobs.origin import import_path
from recipes.home import Home

CHILD = (sys.executable, "-P", "-m", "jobs.run")
LOG = "training.log"
TOKEN_VARIABLE = "CLF_ATTEMPT"  # marks every process of an attempt, its loader processes included


class Child:
    """A living or dead training process and its group."""

    def __init__(self, attempt: Held, pid: int | None, started: float | None, process: subprocess.Popen[bytes] | None):
        self.attempt = attempt
        self.pid = pid
        self.started = started
        self._process = process
        self._memory = MemoryWatch(pid) if pid is not None else None

    @property
    def alive(self) -> bool:
        """Whether it may still train or write."""
        if self._process is not None:
            return self._process.poll() is None
        return child_alive(self.attempt.run_dir, self.pid, self.started, boot_id())

    @property
    def suspended(self) -> bool:
        """Whether somebody stopped it (SIGSTOP): then it is not stalled."""
        try:
            return self.pid is not None and psutil.Process(self.pid).status() == psutil.STATUS_STOPPED
        except psutil.Error:
            return False

    def signal(self, number: int) -> None:
        """Send a signal, if it is still the same process."""
        if self._process is not None:
            self._process.send_signal(number)
        elif self.pid is not None and self.started is not None and is_alive(self.pid, self.started):
            with suppress(ProcessLookupError):  # it left between the two
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it and everything it started, at once."""
        self.signal(getattr(signal, "SIGKILL", signal.SIGTERM))
        self.sweep()

    def sweep(self) -> None:
        """Kill what is left of its group; only processes that carry the attempt's mark."""
        if self.pid is None or not hasattr(os, "getpgid"):
            return
        for process in psutil.process_iter():
            try:
                if os.getpgid(process.pid) == self.pid and process.pid != self.pid and self._marked(process):
                    process.kill()
            except (psutil.Error, OSError):
                continue

    def _marked(self, process: psutil.Process) -> bool:
        return bool(process.environ().get(TOKEN_VARIABLE) == self.attempt.token)

    def ending(self, *, stalled: str | None = None) -> Ending:
        """How it ended, once it is dead: what it wrote down, else what its exit says."""
        if (written := read_ending(self.attempt.run_dir, self.attempt.token)) is not None:
            return written
        code = self._process.returncode if self._process is not None else None
        unexplained = stalled is None and code in (-9, None)  # None: it was adopted, so its exit is not known
        starved = unexplained and self._memory is not None and self._memory.killed()
        return of_exit(code, killed_for_memory=starved, stalled=stalled)

    def resident(self) -> int | None:
        """Bytes of memory it and its loader processes hold; None when it is gone."""
        if self.pid is None:
            return None
        try:
            return resident(psutil.Process(self.pid))
        except psutil.Error:
            return None


def spawn(home: Home, attempt: Held, command: Sequence[str] = CHILD) -> Child:
    """Start the child in a session of its own, so that it outlives its worker and the terminal."""
    prepare_directory(attempt)
    words = [*command, "--home", str(home.root), "--job", str(attempt.job_id), "--token", attempt.token]
    with (attempt.run_dir / LOG).open("ab") as log:
        log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')}  attempt {attempt.attempt} on {attempt.device}\n".encode())
        log.flush()
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=attempt.run_dir,
            env=_environment(home, attempt),
            start_new_session=True,
        )
    return Child(attempt, process.pid, process_start(process.pid) or 0.0, process)


def _environment(home: Home, attempt: Held) -> dict[str, str]:
    return {
        **os.environ,
        **import_path(),
        "PYTHONUNBUFFERED": "1",
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",  # so that cuda:N is the GPU NVML calls N
        "CLF_HOME": str(home.root),
        TOKEN_VARIABLE: attempt.token,
        **_watermarks(attempt.device),
    }


def _watermarks(device: str) -> dict[str, str]:
    """On MPS torch may take 1.7 times the recommended memory by default, and the machine swaps until it stands still.
    At 1.0 it says "out of memory" instead, which a run recovers from; from 0.8 on it gives blocks back early. Ratios
    that the person has set are left alone."""
    names = ("PYTORCH_MPS_HIGH_WATERMARK_RATIO", "PYTORCH_MPS_LOW_WATERMARK_RATIO")
    if device != "mps" or any(name in os.environ for name in names):
        return {}
    return dict(zip(names, ("1.0", "0.8"), strict=True))


def prepare_directory(attempt: Held) -> None:
    """Make the run directory; for a start from scratch empty it, but keep the log of what was."""
    attempt.run_dir.mkdir(parents=True, exist_ok=True)
    (attempt.run_dir / ENDING_FILE).unlink(missing_ok=True)
    if not attempt.fresh:
        return
    for entry in attempt.run_dir.iterdir():
        if entry.name == LOG or entry.suffix == ".lock":
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
