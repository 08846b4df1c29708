"""Every key of every screen does what it says, and what it changes stands in the database afterwards.

The tables stand in deeds.py; an action that is bound and has no line there fails here.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from textual.binding import Binding

import tui.screens
import tui.widgets
from recipes.home import Home
from tests.tui.conftest import Opened, read, settled, until
from tests.tui.deeds import CHOICE, ELSEWHERE, WALKS, Here, key_of, walk
from tests.tui.fill import write_run_directory
from tests.tui.test_pictures import evaluated
from tui.app import ClfApp
from tui.screens.queue import QueueScreen

__all__ = ["evaluated"]


@pytest.mark.parametrize("name", WALKS)
async def test_every_key_does_what_it_says(name: str, evaluated: Home, opened: Opened) -> None:
    deeds, first = WALKS[name]
    write_run_directory(evaluated.run_dir(2, "two_stage"))
    Image.new("RGB", (800, 400)).save(evaluated.run_dir(6, "demo") / "contact_sheet.png")
    async with opened(evaluated, size=(80, 24)) as pilot:
        here = Here(pilot, evaluated)
        await pilot.press(*first)
        await settled(pilot)
        await walk(here, deeds)


async def test_a_choice_of_the_form_goes_back_to_what_the_recipe_says(home: Home, opened: Opened) -> None:
    async with opened(home, size=(80, 24)) as pilot:
        await pilot.press("a")
        await settled(pilot)
        pilot.app.screen.query_one("#field-precision").focus()
        await walk(Here(pilot, home), CHOICE)


async def test_what_the_form_was_told_is_what_is_queued(home: Home, opened: Opened) -> None:
    async with opened(home) as pilot:
        await pilot.press("a", *"demo", "tab", "tab", *"evening", "ctrl+s")
        await until(pilot, lambda: isinstance(pilot.app.screen, QueueScreen))
        job = read(home, 10)
    assert (job.name, job.recipe_name, json.loads(job.recipe)["name"]) == ("evening", "demo", "demo")


def _bound() -> set[tuple[str, str]]:
    """(class, id) of every binding of the app, its screens and its widgets."""
    classes: list[type[Any]] = [ClfApp]
    for package in (tui.screens, tui.widgets):
        for module in pkgutil.iter_modules(package.__path__):
            found = importlib.import_module(f"{package.__name__}.{module.name}")
            classes += [c for c in vars(found).values() if isinstance(c, type) and c.__module__ == found.__name__]
    return {
        (owner.__name__, binding.id)
        for owner in classes
        for binding in owner.__dict__.get("BINDINGS", ())
        if isinstance(binding, Binding) and binding.id
    }


def test_no_key_is_without_a_test() -> None:
    tables = (*(deeds for deeds, _first in WALKS.values()), CHOICE)
    tested = {(deed.owner.__name__, deed.id) for deeds in tables for deed in deeds}
    assert _bound() - tested - set(ELSEWHERE) == set()
    assert (tested | set(ELSEWHERE)) - _bound() == set()


@pytest.mark.parametrize(("owner", "action_id"), ELSEWHERE)
def test_what_is_tested_elsewhere_is_pressed_there(owner: str, action_id: str) -> None:
    text = (Path(__file__).parent / ELSEWHERE[owner, action_id]).read_text(encoding="utf-8")
    module = tui.app if owner == "ClfApp" else importlib.import_module(_module_of(owner))
    key = key_of(vars(module)[owner], action_id)
    typed = {"ctrl+z": r"\x1a", "right_square_bracket": "]"}.get(key, key)
    assert f'"{key}"' in text or f'"{typed}"' in text or typed in text


def _module_of(owner: str) -> str:
    return {"RecipesScreen": "tui.screens.recipes", "PictureView": "tui.widgets.picture_view"}[owner]
