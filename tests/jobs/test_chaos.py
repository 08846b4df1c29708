"""Random kills of workers, children and clients; the full run is benchmarks/queue_chaos.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.jobs.conftest import ROOT


def test_what_was_acknowledged_ends_exactly_once_whoever_is_killed(tmp_path: Path) -> None:
    script = ROOT / "benchmarks" / "queue_chaos.py"
    words = [sys.executable, str(script), "--jobs", "24", "--seed", "1", "--pause", "0.8", "--limit", "280"]
    done = subprocess.run([*words, "--home", str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "24 jobs acknowledged" in done.stdout
    assert "every job ended exactly once" in done.stdout
