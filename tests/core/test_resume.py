"""A run killed with SIGKILL anywhere ends as one that was not; the full run is benchmarks/kills.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_killed_at_thirty_instants_ends_with_the_same_bits(tmp_path: Path) -> None:
    """In steps, validation, saves, at stage changes, in kept features, in the final test, and at random times."""
    words = [
        sys.executable,
        str(ROOT / "benchmarks" / "kills.py"),
        "--kills",
        "30",
        "--each",
        "5",
        "--image-size",
        "16",
    ]
    done = subprocess.run([*words, "--keep", str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for phase in (
        "training",
        "validation",
        "saving",
        "a stage change",
        "keeping features",
        "the final test",
        "random time",
    ):
        assert phase in done.stdout
    (total,) = [line.split() for line in done.stdout.splitlines() if line.startswith("all ")]
    assert int(total[1]) >= 30
    assert total[1] == total[2]
