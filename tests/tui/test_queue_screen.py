"""The queue screen by keyboard: every action ends in the database."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from db import records
from recipes.home import Home
from tests.tui.conftest import Opened, read, screen_text, settled, until
from tui.app import ClfApp
from tui.screens.compare import CompareScreen
from tui.screens.confirm import ConfirmScreen
from tui.screens.help import HelpScreen
from tui.screens.job import JobScreen
from tui.screens.queue import QueueScreen
from tui.widgets.job_table import JobTable


async def test_every_job_is_listed_with_sign_and_word(home: Home, opened: Opened) -> None:
    async with opened(home) as pilot:
        text = screen_text(pilot)
        for said in ("▶ running", "· queued", "· after #3", "‖ paused", "✓ succeeded", "✗ failed", "– cancelled"):
            assert said in text
        assert "37/110" in text
        assert "84.7%" in text
        assert "5h 45m" in text
        assert "14.0 GB" in text
        assert "no worker: press w to start one" in text


async def test_an_empty_home_says_how_to_begin(tmp_path: Path, opened: Opened) -> None:
    async with opened(Home(tmp_path / "nothing")) as pilot:
        for said in ("nothing is queued yet", "press a to add a recipe"):
            assert said in screen_text(pilot)


async def test_cancelling_asks_first(home: Home, opened: Opened) -> None:
    async with opened(home) as pilot:
        pilot.app.query_one(JobTable).select(3)
        await pilot.press("x")
        assert isinstance(pilot.app.screen, ConfirmScreen)
        await pilot.press("n")
        assert read(home, 3).state == "queued"
        await pilot.press("x", "y")
        await until(pilot, lambda: read(home, 3).state == "cancelled")


@pytest.mark.usefixtures("held_worker_lock")
async def test_a_running_job_is_asked_to_stop_or_killed(home: Home, opened: Opened) -> None:
    async with opened(home) as pilot:
        await pilot.press("x", "y")
        await until(pilot, lambda: read(home, 2).cancel_requested == 1)
        await pilot.press("x", "k")
        await until(pilot, lambda: read(home, 2).cancel_requested == 2)


async def test_pause_and_resume(home: Home, opened: Opened) -> None:
    async with opened(home) as pilot:
        pilot.app.query_one(JobTable).select(3)
        await pilot.press("p")
        await until(pilot, lambda: read(home, 3).state == "paused")
        await settled(pilot)
        pilot.app.query_one(JobTable).select(3)
        await pilot.press("p")
        await until(pilot, lambda: read(home, 3).state == "queued")


async def test_the_whole_queue_pauses(home: Home, opened: Opened) -> None:
    def paused() -> bool:
        return records.queue_paused(records.connect(home.database))

    async with opened(home) as pilot:
        await pilot.press("P")
        await until(pilot, paused)
        await settled(pilot)
        assert "queue paused" in screen_text(pilot)
        await pilot.press("P")
        await until(pilot, lambda: not paused())


async def test_retry_priority_order_and_delete(home: Home, opened: Opened) -> None:
    async with opened(home) as pilot:
        table = pilot.app.query_one(JobTable)
        table.select(5)
        await pilot.press("r")
        await until(pilot, lambda: read(home, 5).state == "queued")
        table.select(3)
        await pilot.press("greater_than_sign")
        await until(pilot, lambda: read(home, 3).priority == 1)
        await pilot.press("less_than_sign")
        await until(pilot, lambda: read(home, 3).priority == 0)
        await settled(pilot)
        table.select(4)
        await pilot.press("K")
        await until(pilot, lambda: read(home, 4).position < read(home, 3).position)
        table.select(6)
        await pilot.press("D", "y")
        await until(pilot, lambda: 6 not in _ids(home))


def _ids(home: Home) -> list[int]:
    return [job.id for job in records.jobs(records.connect(home.database))]


async def test_marked_jobs_are_acted_on_together(home: Home, opened: Opened) -> None:
    async with opened(home) as pilot:
        table = pilot.app.query_one(JobTable)
        table.select(3)
        await pilot.press("space", "space")
        assert "◆" in screen_text(pilot)
        await pilot.press("x", "y")
        await until(pilot, lambda: read(home, 3).state == read(home, 4).state == "cancelled")


async def test_a_refusal_is_a_notice_and_nothing_happens(home: Home, opened: Opened) -> None:
    async with opened(home) as pilot:
        pilot.app.query_one(JobTable).select(1)
        await pilot.press("r")
        await settled(pilot)
        assert read(home, 1).state == "succeeded"
        assert [note.severity for note in pilot.app._notifications] == ["error"]


async def test_filter_terms_narrow_the_list_as_typed(home: Home, opened: Opened) -> None:
    async with opened(home) as pilot:
        table = pilot.app.query_one(JobTable)
        await pilot.press("slash", *"state:succeeded -recipe:demo")
        assert [job.id for job in table._jobs] == [9, 1]
        await pilot.press("enter")
        assert pilot.app.focused is table
        await pilot.press("escape")
        assert len(table._jobs) == 9


async def test_the_line_says_how_to_start_a_worker_while_one_types(home: Home, opened: Opened) -> None:
    async with opened(home) as pilot:
        await pilot.press("slash", "s")
        await settled(pilot)
        screen = pilot.app.screen
        assert isinstance(screen, QueueScreen)
        screen.follow(screen.clf.overview)
        await pilot.pause()
        assert "no worker: press w to start one" in screen_text(pilot)


async def test_a_cleared_filter_is_gone_from_the_screen_and_from_what_is_remembered(home: Home, opened: Opened) -> None:
    async with opened(home) as pilot:
        for keys in (("slash", *"demo", "escape"), ("slash", *"demo", "enter", "escape"), ("slash", "escape")):
            await pilot.press(*keys)
            await settled(pilot)
            assert not pilot.app.screen.query_one("#filter").display
            assert isinstance(pilot.app.focused, JobTable)
            assert json.loads((home.root / "tui.json").read_text())["filter"] == ""


async def test_a_list_filtered_down_to_nothing_says_by_what_and_how_to_go_back(home: Home, opened: Opened) -> None:
    (home.root / "config.toml").write_text('[tui.keys]\n"queue.clear" = "f8"\n')
    for width in (80, 120):
        async with opened(home, size=(width, 24)) as pilot:
            await pilot.press("slash", *"state:failed tulip", "enter")
            await settled(pilot)
            for said in ("no job fits state:failed tulip", "press f8 to clear the filter (9 jobs in all)"):
                assert said in screen_text(pilot)
            await pilot.press("f8")
            assert "no job fits" not in screen_text(pilot)


async def test_sorting_and_theme_are_remembered(home: Home, opened: Opened) -> None:
    async with opened(home) as pilot:
        app = pilot.app
        assert isinstance(app, ClfApp)
        while app.remembered.sort != "best":
            await pilot.press("s")
        ids = [job.id for job in app.query_one(JobTable)._jobs]
        assert ids[:3] == [6, 2, 9]
        await pilot.press("t")
    kept = json.loads((home.root / "tui.json").read_text())
    assert kept["sort"] == "best"
    async with opened(home) as pilot:
        assert pilot.app.theme == kept["theme"] != "clf-dark"
        assert [job.id for job in pilot.app.query_one(JobTable)._jobs] == ids


async def test_moving_opening_comparing_and_going_to_a_job(home: Home, opened: Opened) -> None:
    async with opened(home) as pilot:
        table = pilot.app.query_one(JobTable)
        await pilot.press("j", "down", "k")
        assert table.selected == 3
        await pilot.press("G")
        assert table.selected == 1
        await pilot.press("enter")
        assert isinstance(pilot.app.screen, JobScreen)
        await pilot.press("escape")
        assert isinstance(pilot.app.screen, QueueScreen)
        await pilot.press("colon", "6", "enter")
        await pilot.pause()
        assert isinstance(pilot.app.screen, JobScreen)
        assert pilot.app.screen.job_id == 6
        await pilot.press("escape")
        table.select(9)
        await pilot.press("space")
        table.select(1)
        await pilot.press("space", "o")
        assert isinstance(pilot.app.screen, CompareScreen)


async def test_comparing_shows_only_the_settings_that_differ(home: Home, opened: Opened) -> None:
    async with opened(home, size=(140, 40)) as pilot:
        table = pilot.app.query_one(JobTable)
        for job_id in (2, 9):
            table.select(job_id)
            await pilot.press("space")
        await pilot.press("o")
        await settled(pilot)
        text = screen_text(pilot)
        assert "data.image_size" in text
        assert "data.resize" not in text
        assert "● #2" in text
        assert "▲ #9" in text


async def test_help_lists_every_action_with_its_id(home: Home, opened: Opened) -> None:
    async with opened(home, size=(120, 60)) as pilot:
        await pilot.press("question_mark")
        assert isinstance(pilot.app.screen, HelpScreen)
        text = screen_text(pilot)
        for said in ("job.cancel", "queue.filter", "worker.start", "list.down", "Start a worker in the background"):
            assert said in text


async def test_read_only_changes_nothing(home: Home, opened: Opened) -> None:
    async with opened(home, read_only=True) as pilot:
        before = home.database.read_bytes()
        await pilot.press("x", "p", "r", "K", "D", "P", "w", "a", "greater_than_sign")
        await settled(pilot)
        assert isinstance(pilot.app.screen, QueueScreen)
        assert home.database.read_bytes() == before


async def test_keys_can_be_changed_by_action_id(home: Home, opened: Opened) -> None:
    home.config.write_text('[tui.keys]\n"job.cancel" = "f8"\n')
    async with opened(home) as pilot:
        await pilot.press("x")
        assert isinstance(pilot.app.screen, QueueScreen)
        await pilot.press("f8")
        assert isinstance(pilot.app.screen, ConfirmScreen)


async def test_copying_goes_through_the_terminal(home: Home, opened: Opened) -> None:
    async with opened(home) as pilot:
        await pilot.press("y", "i")
        assert pilot.app.clipboard == "2"
        await pilot.press("y", "p")
        assert pilot.app.clipboard.endswith("0002-two_stage")
        await pilot.press("y", "a")
        assert pilot.app.clipboard == "0.8471"
        await pilot.press("y", "escape")
        assert pilot.app.clipboard == "0.8471"


@pytest.mark.usefixtures("held_worker_lock")
async def test_the_worker_line_and_the_warning_on_quit(home: Home, opened: Opened) -> None:
    async with opened(home) as pilot:
        text = screen_text(pilot)
        for said in ("NVIDIA H200", "22.0 GB of 141.0 GB", "97% busy", "61 °C", "534 W", "up 3h"):
            assert said in text
        await pilot.press("q")
        assert isinstance(pilot.app.screen, ConfirmScreen)
        await settled(pilot)
        assert f"The worker (pid {os.getpid()}, training #2 two_stage)" in screen_text(pilot)


async def test_another_process_is_followed(home: Home, opened: Opened) -> None:
    import sqlite3

    async with opened(home) as pilot:
        with sqlite3.connect(home.database) as other:
            other.execute("UPDATE job SET epoch = 38 WHERE id = 2")
        other.close()
        await until(pilot, lambda: "38/110" in screen_text(pilot))


async def test_a_locked_or_vanished_database_is_a_quiet_notice(home: Home, opened: Opened) -> None:
    async with opened(home) as pilot:
        kept = home.database.read_bytes()
        for name in ("clf.db-wal", "clf.db-shm"):
            (home.root / name).unlink(missing_ok=True)
        home.database.write_bytes(b"this is no database" * 300)
        app = pilot.app
        assert isinstance(app, ClfApp)
        await app.feed._in_thread(app.feed._forget)
        await settled(pilot)
        assert "cannot be read" in screen_text(pilot)
        assert "two_stage" in screen_text(pilot)
        home.database.unlink()
        await settled(pilot)
        assert "nothing is queued yet" in screen_text(pilot)
        home.database.write_bytes(kept)
        await settled(pilot)
        assert "two_stage" in screen_text(pilot)


@pytest.mark.parametrize("size", [(40, 12), (20, 5), (60, 16), (80, 24), (99, 30), (200, 50)])
async def test_no_size_is_too_small_and_resizing_is_safe(home: Home, opened: Opened, size: tuple[int, int]) -> None:
    async with opened(home, size=size) as pilot:
        await pilot.resize_terminal(120, 40)
        await pilot.resize_terminal(*size)
        await settled(pilot)
        await pilot.press("enter")
        await settled(pilot)
        await pilot.press("escape", "a", "escape", "question_mark", "escape")
        await settled(pilot)


async def test_ascii_mode_draws_only_ascii(home: Home, opened: Opened) -> None:
    async with opened(home, size=(100, 30), ascii=True) as pilot:
        svg = pilot.app.export_screenshot()
        drawn = svg[svg.index("<g class=") :].replace("&#160;", " ")
        assert drawn.isascii()
        assert "running" in drawn


async def test_no_color_leaves_no_colour(home: Home, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    import re

    monkeypatch.setenv("NO_COLOR", "1")
    async with opened(home, size=(100, 30)) as pilot:
        svg = pilot.app.export_screenshot()
        colours = {match.lower() for match in re.findall(r"-r\d+ \{ fill: (#[0-9a-fA-F]{6})", svg)}
        assert colours
        assert all(c[1:3] == c[3:5] == c[5:7] for c in colours - {"#c5c8c6"})  # that one is the frame of the picture
