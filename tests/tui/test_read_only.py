"""`clf tui --read-only`: every key of every screen is pressed, nothing changes, and what is refused says so."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest
from textual.binding import Binding
from textual.widgets import Input, OptionList

from recipes.home import Home
from tests.tui.conftest import Opened, screen_text, settled
from tui.app import ClfApp
from tui.read_only import REFUSED
from tui.screens.add import AddScreen

SCREENS = {
    "queue": (),
    "job": ("colon", "5", "enter"),
    "compare": ("space", "G", "space", "o"),
    "recipes": ("R",),
}


def _bindings(app: ClfApp) -> Iterator[Binding]:
    for _node, bindings in app.screen._binding_chain:
        for group in bindings.key_to_bindings.values():
            yield from (binding for binding in group if binding.id)


def _content(home: Home) -> list[str]:
    with sqlite3.connect(home.database) as database:
        said = list(database.iterdump())
    database.close()
    return said


@pytest.mark.parametrize("screen", SCREENS)
async def test_every_key_changes_nothing_and_refusals_are_said(home: Home, opened: Opened, screen: str) -> None:
    before = _content(home)
    async with opened(home, read_only=True) as pilot:
        await pilot.press(*SCREENS[screen])
        await settled(pilot)
        kind, refused = type(pilot.app.screen), set()
        for key, name in {binding.key: binding.id for binding in _bindings(pilot.app)}.items():
            if name in ("app.quit", "app.suspend", "pictures.sheet"):
                continue
            pilot.app.clear_notifications()
            await pilot.press(key)
            assert not isinstance(pilot.app.screen, AddScreen), name
            if any(note.message == REFUSED for note in pilot.app._notifications):
                refused.add(name)
            if isinstance(pilot.app.focused, Input):
                await pilot.press("enter")
            if type(pilot.app.screen) is not kind:
                while len(pilot.app.screen_stack) > 1:
                    pilot.app.pop_screen()
                await pilot.press(*SCREENS[screen])
                await pilot.pause()
    assert _content(home) == before
    changes = {"worker.start", "worker.stop"}
    if screen in ("queue", "job"):
        changes |= {"job.add", "job.cancel", "job.pause", "queue.pause", "job.retry", "job.edit", "job.duplicate",
                    "job.earlier", "job.later", "job.more_urgent", "job.less_urgent", "job.remove"}  # fmt: skip
    if screen == "recipes":
        changes |= {"recipes.add", "recipes.copy", "recipes.edit"}
    assert refused == changes


async def test_a_recipe_cannot_be_added_by_enter_or_by_a_click(home: Home, opened: Opened) -> None:
    before = _content(home)
    async with opened(home, read_only=True) as pilot:
        await pilot.press("R", "enter", "ctrl+s")
        await settled(pilot)
        assert not isinstance(pilot.app.screen, AddScreen)
        await pilot.click(pilot.app.screen.query_one(OptionList), offset=(3, 1))
        await settled(pilot)
        assert not isinstance(pilot.app.screen, AddScreen)
    assert _content(home) == before


async def test_no_refused_key_is_offered(home: Home, opened: Opened) -> None:
    async with opened(home, read_only=True) as pilot:
        assert "press w" not in screen_text(pilot)
        for offered in ("x Cancel", "a Add", "w Worker", "p Pause"):
            assert offered not in screen_text(pilot)


async def test_a_refusal_that_stands_there_is_not_said_again(home: Home, opened: Opened) -> None:
    async with opened(home, read_only=True) as pilot:
        await pilot.press(*"xprdKJ")
        await settled(pilot)
        assert [note.message for note in pilot.app._notifications] == [REFUSED]
