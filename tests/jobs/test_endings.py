"""How an attempt ended, told from what it wrote down, from its exit, or from the exception it died of."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from jobs.ending import End, Ending, of_exit, read_ending, write_ending
from jobs.failures import of_error
from recipes.errors import DataError, HomeError
from tests.jobs.conftest import ROOT


def test_an_ending_is_whole_or_absent_and_belongs_to_its_attempt(tmp_path: Path) -> None:
    assert read_ending(tmp_path, "a") is None
    ending = Ending(End.FAILED, kind="data", message="no images", hint="look")
    write_ending(tmp_path, "a", ending)
    assert read_ending(tmp_path, "a") == ending
    assert read_ending(tmp_path, "b") is None
    (tmp_path / "ending.json").write_text('{"token": "a", "end": "suc')
    assert read_ending(tmp_path, "a") is None


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [(-9, "killed", "SIGKILL"), (-11, "killed", "SIGSEGV"), (-99, "killed", "signal 99"), (3, "error", "exit code 3"),
     (None, "killed", "disappeared")],
)  # fmt: skip
def test_an_exit_without_a_word_is_named(code: int | None, kind: str, message: str) -> None:
    ending = of_exit(code)
    assert (ending.end, ending.kind) == (End.DIED, kind)
    assert message in (ending.message or "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_child_that_was_told_to_leave_before_it_listened_did_not_crash(number: signal.Signals) -> None:
    assert of_exit(-number) == Ending(End.STOPPED, message=f"left on {number.name}")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (DataError("no images", "look"), "data"),
        (HomeError("no home"), "configuration"),
        (MemoryError(), "out_of_memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate"), "out_of_memory"),
        (RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed."), "out_of_memory"),
        (OSError(28, "No space left on device"), "disk_full"),
        (RuntimeError("CUDA error: unspecified launch failure"), "device_lost"),
        (torch.AcceleratorError("CUDA-capable device(s) is/are busy or unavailable"), "device_lost"),
        (ValueError("what"), "error"),
    ],
)
def test_an_exception_becomes_a_kind_with_a_message(error: Exception, kind: str) -> None:
    ending = of_error(error)
    assert (ending.end, ending.kind) == (End.FAILED, kind)
    assert ending.message


def test_a_child_that_has_said_all_leaves_without_taking_itself_apart() -> None:
    """Its exit functions still run and its log is whole; the network and everything else is left to the system."""
    code = (
        "import atexit, jobs.run\n"
        "class Network:\n    def __del__(self): print('taken apart')\n"
        "network = Network()\n"
        "atexit.register(print, 'loader processes closed')\n"
        "print('last line')\n"
        "jobs.run.leave(75)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (75, "last line\nloader processes closed\n", "")
