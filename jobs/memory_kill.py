"""Whether the kernel killed a process for want of memory, where this machine lets us know. Linux only."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
PROC = Path("/proc")


class MemoryWatch:
    """Begun while a process lives, asked once it died of SIGKILL."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._record = next((path for path in _records(pid) if _kills(path) is not None), None)
        self._before = self._kills()

    def killed(self) -> bool:
        """Whether its control group counts one more such kill, or the kernel's log names it."""
        return self._kills() > self._before or (sys.platform == "linux" and _in_log(self._pid))

    def _kills(self) -> int:
        return (_kills(self._record) or 0) if self._record is not None else 0


def _records(pid: int) -> Iterator[Path]:
    """Where the kernel may count the kills in the control group of `pid`: memory.events, or in version 1
    memory.oom_control (docs.kernel.org/admin-guide/cgroup-v2.html); at the root where a container sees only its own.
    """
    try:
        lines = (PROC / str(pid) / "cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        number, controllers, group = line.split(":", 2)
        if number == "0":
            root, name = CGROUPS, "memory.events"
        elif "memory" in controllers.split(","):
            root, name = CGROUPS / "memory", "memory.oom_control"
        else:
            continue
        yield root / group.lstrip("/") / name
        yield root / name


def _kills(record: Path) -> int | None:
    try:
        return int(dict(line.split() for line in record.read_text(encoding="utf-8").splitlines())["oom_kill"])
    except (OSError, ValueError, KeyError):
        return None


def _in_log(pid: int) -> bool:
    """Readable for everyone only where kernel.dmesg_restrict is 0."""
    try:
        done = subprocess.run(["dmesg"], capture_output=True, text=True, check=False, timeout=5, errors="replace")
    except (OSError, subprocess.TimeoutExpired):
        return False
    return f"Killed process {pid} " in done.stdout
