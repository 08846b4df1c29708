"""A filled home, and the app on it with a clock that stands still."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from db import records
from db.records import JobRecord
from recipes.home import Home
from tests.tui.fill import NOW, fill, holding_worker
from tui.app import ClfApp
from tui.screens.live import LiveScreen

Opened = Callable[..., Any]


@pytest.fixture(autouse=True)
def _quiet_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "CLF_ASCII", "CLF_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Nine jobs, one in each state and some more."""
    return fill(Home(tmp_path / "home"))


@pytest.fixture
def opened() -> Opened:
    """The app on a home, first screen shown; use as an async context manager that gives a pilot."""

    @asynccontextmanager
    async def run(home: Home, size: tuple[int, int] = (120, 40), **more: Any) -> AsyncIterator[Pilot[None]]:
        app = ClfApp(home, clock=lambda: NOW, **{"ascii": False, **more})
        async with app.run_test(size=size) as pilot:
            await settled(pilot)
            yield pilot

    return run


async def settled(pilot: Pilot[Any]) -> None:
    """Until everything in flight was read and drawn."""
    app = pilot.app
    assert isinstance(app, ClfApp)
    for _ in range(3):
        await app.poll()
        await pilot.pause()
        await app.workers.wait_for_complete()
        await _charts_drawn(pilot)
    await pilot.pause()


async def _charts_drawn(pilot: Pilot[Any]) -> None:
    """A load that follows a job may wait for its turn by a timer, which no worker shows."""
    for _ in range(6000):
        screen = pilot.app.screen
        if not isinstance(screen, LiveScreen) or not (screen._loading or screen._again or screen._waiting):
            return
        await pilot.pause(0.02)


async def until(pilot: Pilot[Any], what: Callable[[], object]) -> None:
    """Wait for something that other threads bring about; fails after two minutes."""
    for _ in range(2400):
        if what():
            return
        await pilot.pause(0.05)
    pytest.fail("it did not come about")


def read(home: Home, job_id: int) -> JobRecord:
    """The job as the database has it."""
    connection = records.connect(home.database)
    try:
        return records.job(connection, job_id)
    finally:
        connection.close()


def screen_text(pilot: Pilot[Any]) -> str:
    """What stands on the terminal, as plain lines."""
    return "\n".join(strip.text for strip in pilot.app.screen._compositor.render_strips())


@pytest.fixture
def held_worker_lock(home: Home) -> Iterator[None]:
    """This process plays the worker of cuda:0."""
    with holding_worker(home):
        yield
