"""What is taken away while the app runs is a quiet notice: no traceback, no frozen screen."""

from __future__ import annotations

import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from recipes.home import Home
from tests.tui.conftest import Opened, read, screen_text, settled
from tests.tui.fill import fill, write_run_directory
from tests.tui.terminal import Terminal
from tui.screens.job import TABS, JobScreen
from tui.widgets.job_table import JobTable

HOLD = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
for statement in sys.argv[2:]:
    database.execute(statement)
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def _held(home: Home, *statements: str) -> Iterator[None]:
    """Another process has run these on the database and holds whatever lock they took."""
    command = [sys.executable, "-c", HOLD, str(home.database), *statements]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdin is not None
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    try:
        yield
    finally:
        holder.stdin.close()
        holder.wait(120)
        holder.stdout.close()


async def _until(pilot: Pilot[Any], what: Any, seconds: float = 240) -> None:
    for _ in range(int(seconds / 0.1)):
        if what():
            return
        await pilot.pause(0.1)
    pytest.fail(f"it did not come about:\n{screen_text(pilot)}")


async def test_a_writer_that_holds_the_lock_for_long_is_said_and_the_screen_goes_on(home: Home, opened: Opened) -> None:
    async with opened(home) as pilot:
        pilot.app.open_queue().busy_seconds = 3.0  # it would wait for 35
        table = pilot.app.query_one(JobTable)
        table.select(3)
        with _held(home, "BEGIN EXCLUSIVE"):
            await pilot.press("p", "j")
            assert table.selected == 4, "keys are answered while the queue waits"
            await _until(pilot, lambda: [note for note in pilot.app._notifications if note.severity == "error"])
            (note,) = [note for note in pilot.app._notifications if note.severity == "error"]
            assert "locked" in f"{note.title} {note.message}"
            assert read(home, 3).state == "queued"
        table.select(3)
        await pilot.press("p")
        await _until(pilot, lambda: read(home, 3).state == "paused")


async def test_a_database_that_cannot_even_be_read_is_said_until_it_can(home: Home, opened: Opened) -> None:
    take_all = ("PRAGMA locking_mode = EXCLUSIVE", "BEGIN EXCLUSIVE", "UPDATE job SET priority = 1 WHERE id = 3")
    with _held(home, *take_all):
        async with opened(home) as pilot:
            await _until(pilot, lambda: "the database is locked" in screen_text(pilot))
            await pilot.press("j", "z", "z", "question_mark", "escape")
    async with opened(home) as pilot:
        await _until(pilot, lambda: "two_stage" in screen_text(pilot))
        assert "locked" not in screen_text(pilot)


async def test_a_lock_that_is_let_go_is_forgotten(home: Home, opened: Opened) -> None:
    holding = _held(home, "PRAGMA locking_mode = EXCLUSIVE", "BEGIN EXCLUSIVE")
    holding.__enter__()
    async with opened(home) as pilot:
        await _until(pilot, lambda: "the database is locked" in screen_text(pilot))
        holding.__exit__(None, None, None)
        await _until(pilot, lambda: "two_stage" in screen_text(pilot))
        await _until(pilot, lambda: "locked" not in screen_text(pilot))


async def test_a_run_directory_that_is_deleted_leaves_every_tab_usable(home: Home, opened: Opened) -> None:
    directory = home.run_dir(2, "two_stage")
    write_run_directory(directory)
    async with opened(home) as pilot:
        await pilot.press("enter", "3")
        await settled(pilot)
        screen = pilot.app.screen
        assert isinstance(screen, JobScreen)
        assert "300 lines" in screen_text(pilot)
        shutil.rmtree(directory)
        screen.follow(screen.clf.overview)
        await settled(pilot)
        assert "the log file is gone" in screen_text(pilot)
        for number in range(1, len(TABS) + 1):
            await pilot.press(str(number))
            await settled(pilot)
        await pilot.press("escape", "enter")
        await settled(pilot)
        assert "#2 two_stage" in screen_text(pilot)


async def test_a_home_that_is_removed_is_an_empty_queue(home: Home, opened: Opened) -> None:
    async with opened(home) as pilot:
        await pilot.press("enter")
        await settled(pilot)
        shutil.rmtree(home.root)
        await settled(pilot)
        await _until(pilot, lambda: "job 2 is no longer in the queue" in screen_text(pilot))
        for key in ("2", "3", "4", "5", "6", "7", "1", "c", "plus", "m", "y", "x", "escape", "t"):
            await pilot.press(key)
        await settled(pilot)
        assert "nothing is queued yet" in screen_text(pilot)


async def test_a_database_that_is_replaced_is_read_anew(home: Home, opened: Opened, tmp_path: Path) -> None:
    other = fill(Home(tmp_path / "other"), jobs=12)
    async with opened(home) as pilot:
        assert "quick_test" in screen_text(pilot)
        home.database.unlink()
        shutil.copy(other.database, home.database)
        await _until(pilot, lambda: len(pilot.app.overview.jobs) == 12)
        home.database.write_text("not a database at all")
        await _until(pilot, lambda: "the database cannot be read" in screen_text(pilot))
        await pilot.press("j", "enter", "escape")
        home.database.unlink()
        shutil.copy(other.database, home.database)
        await _until(pilot, lambda: "cannot be read" not in screen_text(pilot))
        assert len(pilot.app.overview.jobs) == 12


async def test_sizes_that_change_in_the_middle_of_drawing_leave_the_last_one_drawn(home: Home, opened: Opened) -> None:
    chance = random.Random(7)
    async with opened(home) as pilot:
        for place, key in enumerate(("", "enter", "2", "1", "escape", "a", "escape", "R", "escape")):
            if key:
                await pilot.press(key)
            for _ in range(6):  # none of them waits for what the one before began
                pilot.app.screen.post_message(_resize(pilot, chance.randrange(12, 220), chance.randrange(4, 60)))
                await pilot._wait_for_screen() if place % 3 == 0 else None
        await pilot.resize_terminal(120, 40)
        await settled(pilot)
        lines = screen_text(pilot).splitlines()
        assert len(lines) == 40
        assert {len(line) for line in lines} == {120}
        assert "Loss" in screen_text(pilot)


def _resize(pilot: Pilot[Any], width: int, height: int) -> Any:
    from textual import events
    from textual.geometry import Size

    size = Size(width, height)
    pilot.app._size = size
    return events.Resize(size, size)


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals of POSIX")
@pytest.mark.parametrize("plain", [{"LC_ALL": "C"}, {"TERM": "vt100"}], ids=["locale", "terminal"])
def test_a_terminal_without_unicode_is_sent_ascii_alone(home: Home, plain: dict[str, str]) -> None:
    terminal = Terminal(home, environment=plain)
    try:
        terminal.until(lambda: "running" in terminal.text() and "Loss" in terminal.text())
        terminal.press("\r")
        terminal.until(lambda: "Pictures" in terminal.text())
        for key in "2345671c":
            terminal.press(key)
        terminal.drain(1)
        assert terminal.process.poll() is None
        assert terminal.seen.isascii()
        assert "Traceback" not in terminal.seen
    finally:
        terminal.close()


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_terminal_that_changes_size_without_end_is_drawn_to(home: Home) -> None:
    chance = random.Random(3)
    terminal = Terminal(home)
    try:
        terminal.until(lambda: "Loss" in terminal.text())
        for turn in range(40):
            terminal.resize(chance.randrange(10, 220), chance.randrange(3, 60))
            terminal.drain(0.02)
            if turn % 10 == 0:
                terminal.press("\r" if turn % 20 == 0 else "\x1b")
        terminal.resize(110, 34)
        terminal.drain(1)
        terminal.seen = ""
        terminal.press("?")
        terminal.until(lambda: "esc closes" in terminal.text())
        assert "Traceback" not in terminal.seen
    finally:
        terminal.close()


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_an_app_that_is_told_to_end_gives_the_terminal_back(home: Home) -> None:
    terminal = Terminal(home)
    try:
        terminal.until(lambda: "Loss" in terminal.text())
        terminal.press("\r")
        terminal.process.terminate()
        terminal.until(lambda: terminal.process.poll() is not None)
        assert terminal.process.returncode == 128 + signal.SIGTERM
        left = terminal.seen[terminal.seen.rindex("\x1b[?1049l") :]
        assert "\x1b[?1049h" not in left
        assert {"\x1b[?1000l", "\x1b[?1003l", "\x1b[?25h"} <= set(re.findall(r"\x1b\[\?\d+[hl]", terminal.seen))
        assert "Traceback" not in terminal.seen
    finally:
        terminal.close()


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_an_app_whose_terminal_takes_nothing_any_more_still_ends_when_told(home: Home) -> None:
    terminal = Terminal(home)
    try:
        terminal.until(lambda: "Loss" in terminal.text())
        for size in range(60):  # each is a whole screen, and nobody reads
            terminal.resize(100 + size, 34)
            time.sleep(0.02)
        terminal.process.terminate()
        assert terminal.process.wait(60) in (-signal.SIGALRM, 128 + signal.SIGTERM)
    finally:
        terminal.close()


@pytest.mark.parametrize("stream", ["stdin", "stdout"])
def test_without_a_terminal_it_says_so_and_ends(home: Home, stream: str) -> None:
    script = [sys.executable, "-m", "tui.cli", "--home", str(home.root), "tui"]
    redirect = {"stdin": "</dev/null", "stdout": "| cat"}[stream]
    terminal = Terminal(home, command=["sh", "-c", f"{shlex.join(script)} {redirect}; echo over"])
    try:
        terminal.until(lambda: "over" in terminal.seen)
        assert "clf tui needs a terminal" in terminal.seen
        assert "clf status" in terminal.seen
        assert "\x1b[?1049h" not in terminal.seen
    finally:
        terminal.close()
