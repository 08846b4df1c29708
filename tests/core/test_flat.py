"""A long run stays as small as it began; 2,000 epochs are benchmarks/flat.py's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from core.history import History

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "flat.py"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_hundred_epochs_leave_no_memory_file_thread_or_process_behind() -> None:
    done = subprocess.run([sys.executable, str(SCRIPT), "--epochs", "200"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "flat over 180 epochs" in done.stdout


def test_records_are_kept_to_the_bit_and_shown_as_standard_json() -> None:
    history = History()
    history.append({"epoch": 1, "stage": "NaN", "val/loss": float("nan"), "val/accuracy": 0.1 + 0.2, "run/lr": 1e-300})
    history.append({"epoch": 2, "stage": "head", "val/loss": float("inf"), "val/accuracy": 1.0, "run/lr": 5e-324})
    assert repr(list(History(history.exact))) == repr(list(history))
    assert "NaN" not in history.document.replace('"NaN"', "")
    assert "Infinity" not in history.document
    assert (len(history), history[-1]["epoch"]) == (2, 2)
