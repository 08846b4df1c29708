"""Whether the kernel killed a process for want of memory, where this machine lets us know."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def oom_kills() -> int:
    """How many processes of our control group the kernel has killed so far; 0 where it does not say."""
    try:
        group = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()[-1].rpartition(":")[2]
        events = (Path("/sys/fs/cgroup") / group.lstrip("/") / "memory.events").read_text(encoding="utf-8")
        return int(dict(line.split() for line in events.splitlines()).get("oom_kill", 0))
    except (OSError, ValueError, IndexError):
        return 0


def killed_for_memory(pid: int, kills_before: int) -> bool:
    """Whether `pid`, which died of SIGKILL, did so for want of memory."""
    if oom_kills() > kills_before:
        return True
    if sys.platform != "linux":
        return False
    try:
        done = subprocess.run(["dmesg"], capture_output=True, text=True, check=False, timeout=5, errors="replace")
    except (OSError, subprocess.TimeoutExpired):
        return False
    return f"Killed process {pid} " in done.stdout
