"""Where a training hangs, told from the stacks it writes when it is asked for them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from jobs.stacks import place
from tests.jobs.conftest import HERE, ROOT, until

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="no SIGUSR1 here")


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("step", "in a training step"),
        ("loader", "while waiting for the loader"),
        ("save", "while saving a file"),
        ("validation", "in evaluation"),
    ],
)
def test_a_training_that_hangs_says_where(tmp_path: Path, where: str, said: str) -> None:
    log = tmp_path / "training.log"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    words = [sys.executable, str(HERE / "hanging.py"), str(tmp_path), where]
    with log.open("wb") as file:
        child = subprocess.Popen(words, stdout=file, stderr=file, env=environment)

    def hangs_there() -> bool:
        assert child.poll() is None, log.read_text()
        if not (tmp_path / "run" / "last_checkpoint.pt").exists():
            return False  # it may not listen yet
        before = log.stat().st_size
        child.send_signal(signal.SIGUSR1)
        until(lambda: log.stat().st_size > before, "its stacks")
        return place(log.read_bytes()[before:].decode()) == said

    try:
        until(hangs_there, said)
    finally:
        below = psutil.Process(child.pid).children(recursive=True)
        child.kill()
        child.wait()
        for process in below:
            process.kill()


def test_other_lines_and_other_threads_do_not_mislead() -> None:
    dump = (
        "epoch 3 (train): val/accuracy 0.5\n"
        "Thread 0x00007f (most recent call first):\n"
        '  File "/x/threading.py", line 1 in wait\n'
        '  File "/x/core/checkpoint.py", line 9 in save\n'
        "Current thread 0x00007e [python] (most recent call first):\n"
        '  File "/x/torch/nn/functional.py", line 1 in conv2d\n'
        '  File "/x/core/step.py", line 70 in _passes\n'
        '  File "/x/core/epoch.py", line 70 in _step\n'
        '  File "/x/core/train.py", line 70 in train\n'
    )
    assert place(dump) == "in a training step"
    assert place(dump.rpartition("  File")[0] + "  ...\n") == "in a training step"  # a deep stack is cut at 100 frames
    assert place("nothing of the kind") is None
