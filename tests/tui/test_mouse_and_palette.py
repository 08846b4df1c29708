"""Everything that has a key can be found by its name; and what can be clicked does what the key does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from textual.app import App
from textual.binding import Binding
from textual.pilot import Pilot

from recipes.home import Home
from tests.tui.conftest import Opened, screen_text, settled, until
from tests.tui.fill import fill
from tui.app import ClfApp
from tui.screens.compare import CompareScreen
from tui.screens.help import HelpScreen
from tui.screens.job import TABS, JobScreen
from tui.widgets.job_table import JobTable

SCREENS = {
    "queue": (),
    "queue with marks": ("space", "G", "space"),
    "job": ("enter",),
    "pictures": ("enter", "7"),
    "compare": ("space", "G", "space", "o"),
    "form": ("a",),
    "recipes": ("R",),
}


def _declared(app: App[Any]) -> Iterator[Binding]:
    """Every binding with an id of the app, its screen and what has the focus, as the classes declare it."""
    nodes = [app, app.screen, *([app.focused] if app.focused else [])]
    for cls in {cls for node in nodes for cls in type(node).__mro__}:
        for binding in cls.__dict__.get("BINDINGS", ()):
            if isinstance(binding, Binding) and binding.id:
                yield binding


async def _shown(pilot: Pilot[None], keys: tuple[str, ...]) -> ClfApp:
    for key in keys:
        await pilot.press(key)
        await settled(pilot)
    app = pilot.app
    assert isinstance(app, ClfApp)
    return app


@pytest.mark.parametrize("screen", SCREENS)
async def test_every_action_with_a_key_is_in_the_palette_and_in_the_help(
    home: Home, opened: Opened, screen: str
) -> None:
    async with opened(home) as pilot:
        app = await _shown(pilot, SCREENS[screen])
        named = {command.title for command in app.get_system_commands(app.screen)}
        active = {active.binding.id for active in app.screen.active_bindings.values() if active.enabled}
        missing = {b.id for b in _declared(app) if b.id in active and b.description not in named}
        assert active >= {"app.help"} or screen == "form"
        assert not missing
        assert not {b.id for b in _declared(app) if not b.description}, "what has an id has a name"
        if screen != "form":
            await pilot.press("question_mark")
            assert isinstance(app.screen, HelpScreen)
            listed = {action_id for rows in app.screen._keys.values() for _, _, action_id in rows}
            assert {found for found in active if found} <= listed


async def test_the_palette_runs_what_it_finds(home: Home, opened: Opened) -> None:
    async with opened(home) as pilot:
        app = await _shown(pilot, ())
        await pilot.press("ctrl+p")
        await pilot.press(*"Group")
        await until(pilot, lambda: "Group by state" in screen_text(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: app.remembered.group == "state")


async def test_a_click_selects_two_open_and_a_title_sorts(home: Home, opened: Opened) -> None:
    async with opened(home, size=(100, 40)) as pilot:
        app = await _shown(pilot, ())
        table = app.query_one(JobTable)
        await pilot.click(JobTable, offset=(20, 3))
        assert table.selected == 4
        await pilot.click(JobTable, offset=(2, 0))
        assert app.remembered.sort == "id"
        assert [job.id for job in table._jobs] == list(range(1, 10))
        await pilot.click(JobTable, offset=(2, 0))
        assert [job.id for job in table._jobs] == list(range(9, 0, -1))
        await pilot.double_click(JobTable, offset=(20, 1))
        await until(pilot, lambda: isinstance(app.screen, JobScreen))
        assert isinstance(app.screen, JobScreen)
        assert app.screen.job_id == 9


async def test_tabs_are_clicked_and_the_wheel_scrolls(opened: Opened, tmp_path_factory: Any) -> None:
    home = fill(Home(tmp_path_factory.mktemp("many") / "home"), jobs=100)
    async with opened(home, size=(100, 30)) as pilot:
        app = await _shown(pilot, ())
        table = app.query_one(JobTable)
        before = table.scroll_y
        await pilot._post_mouse_events([_wheel()], JobTable, offset=(5, 4), button=0)
        await until(pilot, lambda: table.scroll_y > before)
        await _shown(pilot, ("enter",))
        for tab in reversed(TABS):
            lines = screen_text(pilot).splitlines()
            row = next(row for row, line in enumerate(lines) if "Charts" in line and "Events" in line)
            await pilot.click(offset=(lines[row].index(tab.capitalize()) + 2, row))
            await until(pilot, lambda tab=tab: app.screen.tab == tab)  # type: ignore[attr-defined,misc]


def _wheel() -> Any:
    from textual import events

    return events.MouseScrollDown


async def test_a_click_at_the_foot_presses_the_key(home: Home, opened: Opened) -> None:
    async with opened(home, size=(100, 30)) as pilot:
        app = await _shown(pilot, ("space", "G", "space"))
        line = screen_text(pilot).splitlines()[-1]
        await pilot.click(offset=(line.index("Compare") + 2, 29))
        await until(pilot, lambda: isinstance(app.screen, CompareScreen))
