"""What stands beside the form while one types: the whole merged recipe, its learning rate, and what it will cost."""

from __future__ import annotations

import json
import sqlite3
import tomllib
from dataclasses import replace

from textual.widgets import Input

from db import records
from db.records import JobRecord
from recipes import find
from recipes.home import Home
from recipes.merge import to_toml
from tests.tui.conftest import Opened, read, screen_text, settled, until
from tui.screens import preview
from tui.screens.add import AddScreen
from tui.screens.merged import keyed_lines, merged_text
from tui.screens.queue import QueueScreen
from tui.widgets.form_preview import FormPreview
from tui.widgets.job_table import JobTable

INKS = {"accent": "red", "quiet": "grey50"}


def test_every_setting_of_every_recipe_has_its_line_and_its_key() -> None:
    for name in find.available(None):
        document = find.load(name).model_dump(mode="json")
        lines = list(keyed_lines(to_toml(document)))
        known = {key for key, value in preview.flat(document).items() if value is not None} - {"stages"}
        assert {key for key, _ in lines if key} - {"stages"} == known, name
        read_again = tomllib.loads("\n".join(line for _, line in lines))
        assert preview.flat(read_again) == preview.flat(tomllib.loads(to_toml(document))), name


def test_a_changed_setting_is_marked_with_what_it_was() -> None:
    text = merged_text(find.load("two_stage").model_dump(mode="json"), {"stages.head.optim.lr": 0.1}, INKS).plain
    assert text.count("was") == 1
    assert "lr = 0.002  was 0.1" in text


async def test_the_merged_recipe_and_the_rate_follow_what_is_typed(home: Home, opened: Opened) -> None:
    async with opened(home, size=(120, 60)) as pilot:
        await pilot.press("a")
        await settled(pilot)
        pilot.app.screen.query_one("#field-lr", Input).focus()
        await pilot.press(*"1e-3")
        await settled(pilot)
        text = screen_text(pilot)
        assert "Learning rate" in text
        assert "optim.lr: 0.0003 → 0.001" in text
        area = pilot.app.screen.query_one("#merged")
        while "lr = 0.001  was 0.0003" not in screen_text(pilot):
            before = area.scroll_y
            await pilot.press("pagedown")
            await pilot.pause()
            assert area.scroll_y > before, "the end was reached without it"


async def test_on_a_narrow_terminal_the_result_takes_the_place_of_the_fields(home: Home, opened: Opened) -> None:
    async with opened(home, size=(80, 24)) as pilot:
        await pilot.press("a")
        await settled(pilot)
        assert not pilot.app.screen.query_one(FormPreview).display
        await pilot.press("ctrl+r")
        await settled(pilot)
        assert "Learning rate" in screen_text(pilot)
        assert "[data]" in screen_text(pilot)
        await pilot.press("ctrl+r")
        await settled(pilot)
        assert "batch size" in screen_text(pilot)


async def test_one_job_takes_one_seed_when_it_is_edited(home: Home, opened: Opened) -> None:
    async with opened(home) as pilot:
        pilot.app.query_one(JobTable).select(3)
        await pilot.press("e")
        await settled(pilot)
        assert not pilot.app.screen.query("#field-name")
        pilot.app.screen.query_one("#field-seed", Input).focus()
        await pilot.press(*"1,2", "ctrl+s")
        await settled(pilot)
        assert isinstance(pilot.app.screen, AddScreen)
        assert "one job has one seed" in screen_text(pilot)


async def test_editing_changes_the_priority_too_and_a_copy_keeps_it(home: Home, opened: Opened) -> None:
    async with opened(home) as pilot:
        table = pilot.app.query_one(JobTable)
        table.select(3)
        await pilot.press("e")
        await settled(pilot)
        pilot.app.screen.query_one("#field-data", Input).focus()
        await pilot.press(*"digits")
        pilot.app.screen.query_one("#field-priority", Input).focus()
        await pilot.press(*"7", "ctrl+s")
        await until(pilot, lambda: read(home, 3).priority == 7)
        await until(pilot, lambda: isinstance(pilot.app.screen, QueueScreen))
        await settled(pilot)
        table.select(3)
        await pilot.press("d")
        await settled(pilot)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: len(records.jobs(records.connect(home.database))) == 10)
    assert read(home, 10).priority == 7


async def test_a_running_job_is_not_offered_for_editing(home: Home, opened: Opened) -> None:
    async with opened(home) as pilot:
        await pilot.press("e")
        await settled(pilot)
        assert isinstance(pilot.app.screen, QueueScreen)
        assert [note.severity for note in pilot.app._notifications] == ["warning"]


def test_the_cost_counts_only_jobs_of_the_same_kind_on_the_same_device(home: Home) -> None:
    with sqlite3.connect(home.database) as database:
        database.execute("UPDATE job SET elapsed_seconds = 800, epoch = 8 WHERE id = 6")
    database.close()
    job: JobRecord = read(home, 6)
    recipe = find.load("demo", overrides={"run": {"epochs": 12}})
    assert preview.cost(recipe, [job], "cuda:0") == "about 20m 00s on cuda:0, by an earlier job"
    assert "on cuda:0" in preview.cost(recipe, [job])
    faster = replace(job, device="cuda:1", elapsed_seconds=80.0, finished_at=(job.finished_at or 0.0) + 1)
    assert preview.cost(recipe, [job, faster]).endswith("on cuda:1, by an earlier job")
    larger = json.loads(job.recipe)
    larger["data"]["image_size"] = 2 * larger["data"]["image_size"]
    for other in (
        replace(job, state="failed"),
        replace(job, model="resnet50"),
        replace(job, data="/elsewhere"),
        replace(job, device="cpu"),
        replace(job, recipe=json.dumps(larger)),
    ):
        assert preview.cost(recipe, [other], "cuda:0") == ""
