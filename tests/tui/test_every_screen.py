"""Every screen at every size as text, also without colour and in ASCII, and none fails where there is no room.

After a wanted change: pytest tests/tui/test_every_screen.py --snapshot-update, then look at the diff.
"""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input

from recipes import shelf
from recipes.home import Home
from tests.tui.conftest import settled
from tests.tui.fill import NOW, fill, holding_worker, write_run_directory
from tests.tui.picture_text import Scene
from tests.tui.test_job_screen import write_results
from tests.tui.test_snapshots import OWN
from tui.app import ClfApp

SIZES = ((200, 50), (120, 40), (80, 24))
MARKED = ("j", "j", "j", "j", "space", "G", "space")


@dataclass(frozen=True)
class Show:
    """What leads to a scene: keys, and which home it is shown on."""

    keys: tuple[str, ...] = ()
    jobs: int = 9  # 0: an empty home; 1: only the one that runs
    worker: bool = False
    files: bool = False


SHOWS = {
    "queue": Show(worker=True),
    "queue-empty": Show(jobs=0),
    "queue-one-running": Show(jobs=1, worker=True),
    "queue-200-jobs": Show(("G",), jobs=200),
    "queue-failed": Show(("slash", *"state:failed", "enter")),
    "queue-grouped": Show(("b", "space")),
    "queue-sorted": Show(("s", "s", "s")),
    "job-charts": Show(("enter",)),
    "job-cursor": Show(("enter", "c", "left", "m")),
    "job-machine": Show(("enter", "2")),
    "job-log": Show(("enter", "3"), files=True),
    "job-recipe": Show(("j", "j", "enter", "4")),
    "job-results": Show(("enter", "5"), files=True),
    "job-events": Show(("enter", "6")),
    "job-pictures": Show(("enter", "7")),
    "job-failed": Show(("colon", "5", "enter")),
    "compare": Show((*MARKED, "o")),
    "add": Show(("a",)),
    "add-wrong": Show(("a", "tab", "tab", "tab", *"resnet5", "tab", "tab", *"0")),
    "add-like": Show(("d",)),
    "add-result": Show(("a", "ctrl+r")),
    "recipes": Show(("R",)),
    "help": Show(("question_mark",)),
    "confirm": Show(("x",)),
    "ask": Show(("colon", "1")),
    "palette": Show(("ctrl+p", *"canc")),
}
MAIN = ("queue", "job-charts", "compare", "add")


@pytest.fixture(autouse=True)
def _steady(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """UTC, no blinking cursor, and on the shelf the two recipes that the scenes speak of."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.setattr(Input.cursor_blink, "_default", False)
    (tmp_path / "shelf").mkdir()
    shutil.copy(shelf.BUILT_IN / "demo.toml", tmp_path / "shelf")
    (tmp_path / "shelf" / "two_stage.toml").write_text(OWN)
    yield
    monkeypatch.undo()
    time.tzset()


def _home(tmp_path: Path, show: Show) -> Home:
    home = Home(tmp_path / "home")
    if show.jobs:
        fill(home, jobs=max(9, show.jobs))
    if show.jobs == 1:
        with sqlite3.connect(home.database) as database:
            database.execute("PRAGMA foreign_keys = ON")
            database.execute("DELETE FROM job WHERE state != 'running'")
        database.close()
    if show.files:
        write_run_directory(home.run_dir(2, "two_stage"))
        write_results(home.run_dir(2, "two_stage"))
    return home


def _stock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Put the two recipes on the shelf, under a path that is the same on every machine."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(shelf, "BUILT_IN", Path("shelf"))


async def _walk(show: Show, home: Home, take: Any, sizes: Sequence[tuple[int, int]], **more: Any) -> None:
    app = ClfApp(home, clock=lambda: NOW, **{"ascii": False, **more})
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        for key in show.keys:
            await pilot.press(key)
        await settled(pilot)
        for size in sizes:
            await pilot.resize_terminal(*size)
            await settled(pilot)
            take(app, size)
        await pilot.resize_terminal(40, 12)
        await settled(pilot)
        await pilot.resize_terminal(20, 5)
        await settled(pilot)


@pytest.mark.parametrize("name", SHOWS)
async def test_screen(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    show = SHOWS[name]
    home = _home(tmp_path, show)
    _stock(monkeypatch, tmp_path)
    scene = Scene(name, hidden=("clf 0.1.0", "  pid "))
    if show.worker:
        with holding_worker(home):
            await _walk(show, home, scene.take, SIZES)
    else:
        await _walk(show, home, scene.take, SIZES)
    scene.compare(request.config.option.update_snapshots)


@pytest.mark.parametrize("name", MAIN)
@pytest.mark.parametrize("way", ["ascii", "no-color"])
async def test_plain(
    name: str, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    show = SHOWS[name]
    home = _home(tmp_path, show)
    _stock(monkeypatch, tmp_path)
    if way == "no-color":
        monkeypatch.setenv("NO_COLOR", "1")
    scene = Scene(f"{name}-{way}", hidden=("clf 0.1.0", "  pid "))
    await _walk(show, home, scene.take, SIZES[1:], ascii=way == "ascii")
    scene.compare(request.config.option.update_snapshots)
