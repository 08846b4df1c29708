"""The whole thing: the real `clf tui` in a pseudo-terminal beside a real worker; adds a job, watches it, cancels it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from db import records
from recipes.home import Home
from tests.tui.conftest import read
from tests.tui.terminal import DEADLINE, Terminal


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[tuple[Terminal, Home]]:
    home = Home(tmp_path / "home")
    opened = Terminal(home)
    yield opened, home
    if opened.process.poll() is None:
        opened.process.terminate()
        opened.process.wait(120)
    os.close(opened.master)
    from jobs.launch import stop_worker

    if home.database.exists():
        stop_worker(home, now=True)
        end = time.monotonic() + DEADLINE
        while _workers(home) and time.monotonic() < end:
            time.sleep(0.2)


def _workers(home: Home) -> list[int]:
    from jobs.liveness import live_workers

    return [worker.pid for worker in live_workers(home)] if home.database.exists() else []


def _job(home: Home) -> records.JobRecord | None:
    return read(home, 1) if home.database.exists() and _count(home) else None


def _count(home: Home) -> int:
    connection = records.connect(home.database)
    try:
        return len(records.jobs(connection))
    finally:
        connection.close()


def test_the_screen_has_the_size_of_its_terminal_whatever_the_environment_says(tmp_path: Path) -> None:
    screen = Terminal(Home(tmp_path / "home"), lines=34, environment={"COLUMNS": "80", "LINES": "24"})
    try:
        screen.until(lambda: "\x1b[34;1H" in screen.seen)
        screen.resize(100, 40)
        screen.until(lambda: "\x1b[40;1H" in screen.seen)
    finally:
        screen.close()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_job_is_added_watched_and_cancelled_beside_a_real_worker(terminal: tuple[Terminal, Home]) -> None:
    screen, home = terminal
    screen.until(lambda: "nothing is queued yet" in screen.seen)
    screen.press("a")
    screen.until(lambda: "learning rate" in screen.seen)
    for key in (*"demo", *"\t\t\t", *"test_resnet", *"\t\t", *"500"):  # recipe demo, model, epochs
        screen.press(key)
    screen.press("\x13")  # ctrl+s
    screen.until(lambda: _job(home) is not None)
    screen.press("w")
    screen.until(lambda: (job := _job(home)) is not None and job.state == "running" and job.epoch >= 2)
    screen.until(lambda: "running" in screen.seen and "/500" in screen.seen)
    screen.press("x")
    screen.press("y")
    screen.until(lambda: (job := _job(home)) is not None and job.state == "cancelled")
    screen.until(lambda: "cancelled" in screen.seen)
    screen.press("q")
    screen.press("y")  # the worker goes on: yes, quit
    screen.until(lambda: screen.process.poll() is not None)
    assert screen.process.returncode == 0
    assert _workers(home), "the worker outlives the screen"
    assert "Traceback" not in screen.seen
