"""Real processes: a worker started and stopped by key, and an app that is suspended, resumed and hung up on."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from jobs.launch import start_detached, stop_worker
from jobs.liveness import live_workers
from jobs.queue import Queue
from recipes.find import load
from recipes.home import Home
from tests.tui.conftest import Opened, read, screen_text, settled
from tests.tui.terminal import DEADLINE, Terminal
from tui.screens.confirm import ConfirmScreen

LONG = {
    "model": {"name": "test_resnet", "pretrained": False},
    "data": {"samples": 64, "workers": 0},
    "run": {"epochs": 5000, "device": "cpu", "precision": "fp32", "channels_last": False},
}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """One job that trains on and on; whatever worker runs is stopped in the end."""
    home = Home(tmp_path / "home").create()
    Queue(home).enqueue(load("demo", overrides=LONG))
    yield home
    if live_workers(home):
        stop_worker(home, now=True)
    _wait(lambda: not live_workers(home))


def _wait(what: Callable[[], object]) -> None:
    end = time.monotonic() + DEADLINE
    while not what():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.1)


def _moved_on(home: Home) -> Callable[[], bool]:
    """Whether the job made another step than the one it is at now."""
    step = read(home, 1).step
    return lambda: read(home, 1).step > step


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_a_worker_is_started_and_stopped_by_key(home: Home, opened: Opened) -> None:
    async def until(what: Callable[[], object]) -> None:
        for _ in range(int(DEADLINE / 0.1)):
            if what():
                return
            await pilot.pause(0.1)
        pytest.fail(f"it did not come about:\n{screen_text(pilot)}")

    async with opened(home) as pilot:
        assert "no worker: press w to start one" in screen_text(pilot)
        await pilot.press("w")
        await until(lambda: live_workers(home))
        await until(lambda: f"pid {live_workers(home)[0].pid}" in screen_text(pilot))
        await until(lambda: read(home, 1).state == "running" and read(home, 1).step > 0)
        pid = live_workers(home)[0].pid
        await pilot.press("w")
        await settled(pilot)
        assert [worker.pid for worker in live_workers(home)] == [pid], "one is enough"
        await pilot.press("q")
        await until(lambda: isinstance(pilot.app.screen, ConfirmScreen))
        await until(lambda: "goes on in the background" in screen_text(pilot))
        await pilot.press("n", "W")
        await until(lambda: "Stop the worker?" in screen_text(pilot))
        await pilot.press("y")
        await until(lambda: not live_workers(home))
        await until(lambda: "no worker" in screen_text(pilot))
    job = read(home, 1)
    assert job.state == "queued", "it waits for the next worker"
    assert job.checkpoint_step > 0, "and goes on from a checkpoint"


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(os.name == "nt" or not shutil.which("bash"), reason="job control of a POSIX shell")
def test_suspending_resuming_and_hanging_up_leave_the_training_alone(home: Home) -> None:
    start_detached(home)
    _wait(lambda: read(home, 1).step > 0)
    shell = Terminal(home, command=["bash", "--norc", "--noprofile", "-i"], environment={"PS1": "shell> "})
    try:
        shell.until(lambda: "shell> " in shell.seen)
        shell.press(f"{sys.executable} -P -m tui.cli tui\r")
        shell.until(lambda: "running" in shell.text() and "demo" in shell.text())
        (app,) = psutil.Process(shell.process.pid).children()

        shell.seen = ""
        shell.press("\x1a")  # ctrl+z
        shell.until(lambda: app.status() == psutil.STATUS_STOPPED)
        shell.until(lambda: "Stopped" in shell.seen and "shell> " in shell.seen)
        assert "\x1b[?1049l" in shell.seen, "the shell's own screen is back"
        _wait(_moved_on(home))

        shell.seen = ""
        shell.press("fg\r")
        shell.until(lambda: "\x1b[?1049h" in shell.seen)
        shell.until(lambda: "running" in shell.text() and "demo" in shell.text() and "Help" in shell.text())
        shell.resize(90, 30)  # it hears of a new size again
        shell.seen = ""
        shell.until(lambda: "Help" in shell.text())
        assert "Traceback" not in shell.seen

        os.killpg(app.pid, signal.SIGHUP)  # what the kernel sends when the terminal is closed
        os.close(shell.master)
        _wait(lambda: not app.is_running() or app.status() == psutil.STATUS_ZOMBIE)
        _wait(_moved_on(home))
        assert read(home, 1).state == "running"
        assert read(home, 1).attempt == 1
    finally:
        shell.process.kill()
        shell.process.wait()
