"""Grouping the list: what stands together, and a cursor and marks that stay with their jobs."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from db import records
from recipes.home import Home
from tests.tui.conftest import Opened, screen_text, settled
from tests.tui.fill import fill
from tui.app import ClfApp
from tui.screens.queue import QueueScreen
from tui.widgets.job_filter import GROUPS, grouped
from tui.widgets.job_table import JobTable


async def test_b_groups_by_state_recipe_data_and_not_at_all(home: Home, opened: Opened) -> None:
    async with opened(home, size=(100, 40)) as pilot:
        await pilot.press("z")  # the list alone
        await pilot.press("b")
        text = screen_text(pilot)
        for said in ("▶ running  1", "· queued  2", "‖ paused  1", "✓ succeeded  3", "✗ failed  1", "– cancelled  1"):
            assert said in text
        await pilot.press("b")
        assert "quick_test  2 ──" in screen_text(pilot)
        await pilot.press("b")
        assert "food-101  " in screen_text(pilot)
        await pilot.press("b")
        assert "succeeded  3" not in screen_text(pilot)


async def test_the_cursor_steps_over_titles_and_stays_with_its_job(home: Home, opened: Opened) -> None:
    async with opened(home, size=(100, 40)) as pilot:
        table = pilot.app.query_one(JobTable)
        table.select(3)
        await pilot.press("b")
        assert table.selected == 3
        await pilot.press("down", "down")
        assert table.selected == 7, "the next in another group"
        await pilot.press("b")
        assert table.selected == 7
        seen = []
        await pilot.press("g")
        for _ in range(9):
            seen.append(table.selected)
            await pilot.press("j")
        assert sorted(job_id for job_id in seen if job_id) == list(range(1, 10))


async def test_marks_and_sorting_hold_within_groups(home: Home, opened: Opened) -> None:
    async with opened(home, size=(100, 40)) as pilot:
        app, table = pilot.app, pilot.app.query_one(JobTable)
        assert isinstance(app, ClfApp)
        assert isinstance(app.screen, QueueScreen)
        table.select(9)
        await pilot.press("space", "b")
        while app.remembered.sort != "best":
            await pilot.press("s")
        succeeded = [job.id for job in table._jobs if job.state == "succeeded"]
        assert succeeded == [6, 9, 1]
        assert app.screen.marked == {9}
        assert "◆" in screen_text(pilot)


async def test_a_click_on_a_title_does_nothing_and_on_a_row_below_it_selects(home: Home, opened: Opened) -> None:
    async with opened(home, size=(100, 40)) as pilot:
        table = pilot.app.query_one(JobTable)
        await pilot.press("b")
        await settled(pilot)
        before = table.selected
        await pilot.click(JobTable, offset=(5, 1))
        assert table.selected == before
        await pilot.click(JobTable, offset=(5, 4))
        assert table.selected == 3


async def test_a_job_that_changes_state_moves_to_its_group_and_keeps_the_cursor(home: Home, opened: Opened) -> None:
    async with opened(home, size=(100, 40)) as pilot:
        table = pilot.app.query_one(JobTable)
        await pilot.press("b", "z")
        table.select(3)
        with sqlite3.connect(home.database) as other:
            other.execute("UPDATE job SET state = 'cancelled', finished_at = created_at + 1 WHERE id = 3")
        other.close()
        await settled(pilot)
        assert "– cancelled  2" in screen_text(pilot)
        assert table.selected == 3


async def test_the_grouping_is_remembered(home: Home, opened: Opened) -> None:
    async with opened(home, size=(100, 40)) as pilot:
        await pilot.press("b", "b")
    async with opened(home, size=(100, 40)) as pilot:
        assert "quick_test  2 ──" in screen_text(pilot)


async def test_a_long_grouped_list_scrolls_to_its_last_job_and_back_to_its_first_title(
    tmp_path: Path, opened: Opened
) -> None:
    home = fill(Home(tmp_path / "many"), jobs=200)
    async with opened(home, size=(80, 24)) as pilot:
        table = pilot.app.query_one(JobTable)
        await pilot.press("b", "G")
        assert table.selected == table._jobs[-1].id
        assert f"{table.selected} –" in screen_text(pilot) or f" {table.selected} " in screen_text(pilot)
        await pilot.press("g")
        assert "▶ running  1" in screen_text(pilot)


_RECORDS: list[records.JobRecord] = []


def _records(tmp: Path) -> list[records.JobRecord]:
    if not _RECORDS:
        connection = records.connect(fill(Home(tmp / "h"), jobs=40).database)
        _RECORDS.extend(records.jobs(connection))
        connection.close()
    return _RECORDS


def test_grouping_loses_no_job_and_keeps_the_order_within_a_group(tmp_path: Path) -> None:
    jobs = _records(tmp_path)

    @given(st.permutations(range(len(jobs))), st.sampled_from(GROUPS))
    def holds(order: list[int], by: str) -> None:
        given_jobs = [jobs[index] for index in order]
        found, groups = grouped(given_jobs, by)
        assert sorted(job.id for job in found) == sorted(job.id for job in jobs)
        assert sum(group.count for group in groups) == (len(jobs) if by else 0)
        assert len({group.title for group in groups}) == len(groups)
        places = {job.id: place for place, job in enumerate(given_jobs)}
        start = 0
        for group in groups:
            members = [places[job.id] for job in found[start : start + group.count]]
            assert members == sorted(members)
            start += group.count

    holds()
