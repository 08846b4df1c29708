"""Keys that arrive in one packet do what they do when typed slowly."""

from __future__ import annotations

from textual import events
from textual.pilot import Pilot

from recipes.home import Home
from tests.tui.conftest import Opened, settled, until
from tui.screens.add import AddScreen
from tui.screens.job import JobScreen

CHARACTERS = {"colon": ":", "slash": "/"}


def _at_once(pilot: Pilot[None], *keys: str) -> None:
    for key in keys:
        character = CHARACTERS.get(key, key)
        pilot.app.post_message(events.Key(key, character if len(character) == 1 else None))


async def test_the_number_of_a_job_may_be_typed_ahead(home: Home, opened: Opened) -> None:
    async with opened(home) as pilot:
        _at_once(pilot, "colon", "6", "enter", "n", "escape", "colon", "9", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, JobScreen) and pilot.app.screen.job_id == 9)
        await settled(pilot)


async def test_a_filter_and_what_follows_it_may_be_typed_ahead(home: Home, opened: Opened) -> None:
    async with opened(home) as pilot:
        _at_once(pilot, "slash", *"demo", "enter", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, JobScreen) and pilot.app.screen.job_id == 6)
        await settled(pilot)


async def test_a_form_keeps_what_is_typed_into_it_at_once(home: Home, opened: Opened) -> None:
    async with opened(home) as pilot:
        _at_once(pilot, "a", "tab", *"digits")
        await until(pilot, lambda: isinstance(pilot.app.screen, AddScreen))
        await until(pilot, lambda: [field.value for field in pilot.app.screen.query("#field-data")] == ["digits"])  # type: ignore[attr-defined]
        await settled(pilot)
