"""Adding, duplicating and editing by keyboard; the job ends in the database, or the reason on the screen."""

from __future__ import annotations

import json
from pathlib import Path

from textual.widgets import Input

from db import records
from recipes.home import Home
from tests.tui.conftest import Opened, read, screen_text, settled, until
from tui.screens.add import AddScreen
from tui.screens.queue import QueueScreen
from tui.screens.recipes import RecipesScreen
from tui.widgets.job_table import JobTable
from tui.widgets.path_suggester import complete


def _count(home: Home) -> int:
    return len(records.jobs(records.connect(home.database))) if home.database.exists() else 0


async def test_a_recipe_is_added_from_an_empty_home(tmp_path: Path, opened: Opened) -> None:
    home = Home(tmp_path / "fresh")
    async with opened(home) as pilot:
        await pilot.press("a")
        await settled(pilot)
        pilot.app.screen.query_one("#field-data", Input).focus()
        await pilot.press(*"digits", "tab", *"first try", "tab", *"test_resnet")
        pilot.app.screen.query_one("#field-epochs", Input).focus()
        await pilot.press(*"12", "ctrl+s")
        await until(pilot, lambda: _count(home) == 1)
        await until(pilot, lambda: isinstance(pilot.app.screen, QueueScreen))
    job = read(home, 1)
    recipe = json.loads(job.recipe)
    assert (job.name, job.state, job.model, job.data) == ("first try", "queued", "test_resnet", "digits")
    assert recipe["run"]["epochs"] == 12


async def test_several_seeds_become_several_jobs(home: Home, opened: Opened) -> None:
    async with opened(home) as pilot:
        await pilot.press("a")
        await settled(pilot)
        pilot.app.screen.query_one("#field-seed", Input).focus()
        await pilot.press(*"1-3")
        assert "3 jobs, one for each seed" in screen_text(pilot)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: _count(home) == 12)
    names = [job.name for job in records.jobs(records.connect(home.database)) if job.id > 9]
    assert sorted(names) == ["two_stage-s1", "two_stage-s2", "two_stage-s3"], "told apart, as `clf enqueue` does"


async def test_errors_show_as_one_types_and_nothing_is_queued(home: Home, opened: Opened) -> None:
    async with opened(home, size=(80, 24)) as pilot:
        await pilot.press("a")
        await settled(pilot)
        pilot.app.screen.query_one("#field-lr", Input).focus()
        await pilot.press(*"-1")
        await pilot.pause()
        assert "greater than 0" in screen_text(pilot)
        await pilot.press("ctrl+s")
        await settled(pilot)
        assert isinstance(pilot.app.screen, AddScreen)
        assert _count(home) == 9
        await pilot.press("backspace", "backspace")
        await pilot.pause()
        assert "greater than 0" not in screen_text(pilot)


async def test_what_only_the_disk_knows_is_refused_on_submit(home: Home, opened: Opened) -> None:
    async with opened(home) as pilot:
        await pilot.press("a")
        await settled(pilot)
        pilot.app.screen.query_one("#field-data", Input).focus()
        await pilot.press(*"/no/such/folder", "ctrl+s")
        await until(pilot, lambda: [note for note in pilot.app._notifications if note.severity == "error"])
        assert isinstance(pilot.app.screen, AddScreen)
        assert _count(home) == 9


async def test_duplicate_and_edit_start_from_the_job(home: Home, opened: Opened) -> None:
    async with opened(home) as pilot:
        table = pilot.app.query_one(JobTable)
        table.select(6)
        await pilot.press("d")
        await settled(pilot)
        pilot.app.screen.query_one("#field-epochs", Input).focus()
        await pilot.press(*"5", "ctrl+s")
        await until(pilot, lambda: _count(home) == 10)
        await until(pilot, lambda: isinstance(pilot.app.screen, QueueScreen))
        assert json.loads(read(home, 10).recipe)["run"]["epochs"] == 5
        await settled(pilot)
        table.select(10)
        await pilot.press("e")
        await settled(pilot)
        pilot.app.screen.query_one("#field-batch-size", Input).focus()
        await pilot.press(*"16", "ctrl+s")
        await until(pilot, lambda: json.loads(read(home, 10).recipe)["run"]["batch_size"] == 16)
    assert json.loads(read(home, 10).recipe)["run"]["epochs"] == 5


async def test_recipes_are_read_copied_and_added(home: Home, opened: Opened) -> None:
    async with opened(home) as pilot:
        await pilot.press("R")
        await settled(pilot)
        assert isinstance(pilot.app.screen, RecipesScreen)
        while pilot.app.screen.chosen.name != "demo":
            await pilot.press("j")
        await settled(pilot)
        assert "Handwritten digits" in screen_text(pilot)
        await pilot.press("d", "enter")
        await until(pilot, lambda: (home.recipes / "my_demo.toml").exists())
        await settled(pilot)
        assert "my_demo  yours" in screen_text(pilot)
        await pilot.press("a")
        await settled(pilot)
        assert isinstance(pilot.app.screen, AddScreen)
        assert "my_demo" in screen_text(pilot)


def test_paths_are_completed(tmp_path: Path) -> None:
    (tmp_path / "flowers").mkdir()
    (tmp_path / "weights.safetensors").touch()
    (tmp_path / ".hidden").mkdir()
    assert complete(f"{tmp_path}/fl") == f"{tmp_path}/flowers/"
    assert complete(f"{tmp_path}/w") is None
    assert complete(f"{tmp_path}/w", (".safetensors",)) == f"{tmp_path}/weights.safetensors"
    assert complete("dig") == "digits"
    assert complete("/no/such/place") is None
    assert complete("") is None
