"""Colours of states and words can be read on the background of every theme that can be chosen."""

from __future__ import annotations

import pytest
from textual.color import Color
from textual.theme import BUILTIN_THEMES

from recipes.home import Home
from tests.tui.conftest import Opened, screen_text, settled
from tests.tui.fill import write_run_directory
from tui.themes import THEMES, _contrast, curve_colours, palette

NAMES = sorted({*(theme.name for theme in THEMES), *BUILTIN_THEMES})


async def test_text_has_contrast_in_every_theme(home: Home, opened: Opened) -> None:
    seen = set()
    async with opened(home) as pilot:
        for name in NAMES:
            pilot.app.theme = name
            await pilot.pause()
            inks = {ink: Color.parse(colour) for ink, colour in palette(pilot.app).items()}
            variables = {
                key: value for key, value in pilot.app.theme_variables.items() if key in ("background", "panel")
            }
            ansi = pilot.app.current_theme.ansi
            dark = Color.parse("#000000" if pilot.app.current_theme.dark else "#ffffff")
            background, panel = (dark if ansi else Color.parse(variables[key]) for key in ("background", "panel"))
            seen.add((background, inks["foreground"]))
            own = _contrast(background, inks["foreground"])
            assert own >= 4.49, name
            for ink in ("primary", "accent", "success", "warning", "error"):
                assert _contrast(background, inks[ink]) >= 4.49, (name, ink)  # rounded to whole bytes
            assert _contrast(background, inks["quiet"]) >= min(4.49, 0.79 * own), name
            assert _contrast(panel, inks["quiet"]) >= min(3.49, 0.79 * _contrast(panel, inks["foreground"])), name
            assert _contrast(background, inks["cancelled"]) >= min(2.99, 0.59 * own), name
            for ink in ("foreground", "primary", "warning", "error", "quiet", "cancelled"):
                least = min(4.49, 0.89 * _contrast(inks["cursor"], inks["foreground"]))
                assert _contrast(inks["cursor"], inks[f"chosen {ink}"]) >= least, (name, ink)
            for colour in curve_colours(pilot.app.current_theme):
                assert _contrast(background, Color.parse(colour)) >= 3.0, (name, colour)
    assert len(seen) > 15, "each theme was looked at in its own colours"


@pytest.mark.parametrize("name", [theme.name for theme in THEMES])
async def test_states_keep_colours_of_their_own(home: Home, opened: Opened, name: str) -> None:
    async with opened(home) as pilot:
        pilot.app.theme = name
        await pilot.pause()
        inks = palette(pilot.app)
    assert len({inks[ink] for ink in ("foreground", "primary", "warning", "error")}) == 4


@pytest.mark.parametrize("name", ["ansi-dark", "ansi-light"])
async def test_the_terminals_own_colours_do_on_every_screen(home: Home, opened: Opened, name: str) -> None:
    write_run_directory(home.run_dir(2, "two_stage"))
    (home.root / "tui.json").write_text(f'{{"theme": "{name}"}}', encoding="utf-8")
    async with opened(home) as pilot:
        assert pilot.app.theme == name
        for keys in (("enter", *"234567"), ("space", "j", "space", "o"), ("a",), ("R",), ("x",), ("question_mark",)):
            await pilot.press(*keys)
            await settled(pilot)
            assert len(pilot.app.screen_stack) == 2, keys
            await pilot.press("escape")
        await settled(pilot)
        assert "Loss" in screen_text(pilot)
        backgrounds = {
            s.style.bgcolor for strip in pilot.app.screen._compositor.render_strips() for s in strip if s.style
        }
    assert any(colour is None or colour.is_default for colour in backgrounds), "the terminal's own background is kept"
