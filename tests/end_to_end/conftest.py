"""The installed program in processes of its own, with a home of its own and very small jobs."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

CLF = Path(sys.executable).parent / "clf"
SMALL = ("--model", "test_resnet", "--set", "model.pretrained=false", "--precision", "fp32", "--device", "cpu")


@dataclass(frozen=True)
class Program:
    """`clf` as a person has it."""

    home: Path

    def start(self, *words: str, **more: Any) -> subprocess.Popen[str]:
        """Start a command and let it run."""
        environment = {**os.environ, "CLF_HOME": str(self.home), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "default"}
        return subprocess.Popen(
            [CLF, *words],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **more,
        )

    def __call__(self, *words: str, code: int = 0) -> str:
        """Run a command to its end; its standard output."""
        process = self.start(*words)
        out, err = process.communicate(timeout=240)
        assert process.returncode == code, (words, process.returncode, out, err)
        return out

    def job(self, number: int = 1) -> dict[str, Any]:
        """Everything `clf show --json` tells."""
        found: dict[str, Any] = json.loads(self("show", str(number), "--json"))
        return found

    def wait_until(
        self, holds: Callable[[dict[str, Any]], bool], number: int = 1, seconds: float = 240
    ) -> dict[str, Any]:
        """The job once `holds(job)`; fails after `seconds`."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            job = self.job(number)
            if holds(job):
                return job
            time.sleep(0.1)
        raise AssertionError(f"never came true; the job is {self.job(number)}")


@pytest.fixture
def clf(tmp_path: Path) -> Iterator[Program]:
    home = tmp_path / "home"
    yield Program(home)
    for process in psutil.process_iter(["cmdline", "environ"]):
        if (process.info["environ"] or {}).get("CLF_HOME") == str(home):
            process.kill()
