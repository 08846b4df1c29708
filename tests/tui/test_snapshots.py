"""The main screens as pictures; test_every_screen.py has all of them as text.

After a wanted change: pytest tests/tui/test_snapshots.py --snapshot-update, then look.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from recipes.home import Home
from tests.tui.conftest import settled
from tests.tui.fill import NOW, fill
from tui.app import ClfApp

Compare = Callable[..., bool]
OWN = """
description = "Classifier first, then everything"
[schedule]
warmup_epochs = 1
[[stages]]
name = "head"
epochs = 2
freeze = "backbone"
[[stages]]
name = "finetune"
epochs = 8
"""


@pytest.fixture(autouse=True)
def _in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def _home(folder: Path, jobs: int = 9) -> Home:
    """Run directories lie where the picture does not depend on this machine."""
    home = fill(Home(folder / "home"), jobs=jobs)
    with sqlite3.connect(home.database) as database:
        database.execute("UPDATE job SET run_dir = '/srv/clf/runs/' || printf('%04d', id) WHERE run_dir IS NOT NULL")
    database.close()
    return home


def _same(compare: Compare, home: Home, size: tuple[int, int], *keys: str) -> None:
    async def before(pilot: Any) -> None:
        await settled(pilot)
        for place, key in enumerate(keys):
            await pilot.press(key)
            await (settled(pilot) if place == 0 else pilot.pause())  # the first may open a screen
        await settled(pilot)

    app = ClfApp(home, clock=lambda: NOW, ascii=False)
    assert compare(app, terminal_size=size, run_before=before)


def test_queue(snap_compare: Compare, tmp_path: Path) -> None:
    _same(snap_compare, _home(tmp_path), (120, 40))


def test_job_charts(snap_compare: Compare, tmp_path: Path) -> None:
    _same(snap_compare, _home(tmp_path), (80, 24), "enter")


def test_compare(snap_compare: Compare, tmp_path: Path) -> None:
    _same(snap_compare, _home(tmp_path), (120, 40), "space", "G", "space", "o")


def test_add(snap_compare: Compare, tmp_path: Path) -> None:
    home = _home(tmp_path)
    (home.recipes / "two_stage.toml").write_text(OWN)  # hides the built-in, whose numbers may change
    _same(snap_compare, home, (80, 24), "a", *["tab"] * 5, *"12")
