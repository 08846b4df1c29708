"""Colours of states and words can be read on the background of every theme that can be chosen."""

from __future__ import annotations

import pytest
from textual.color import Color
from textual.theme import BUILTIN_THEMES

from recipes.home import Home
from tests.tui.conftest import Opened
from tui.themes import THEMES, _contrast, palette

NAMES = sorted({*(theme.name for theme in THEMES), *BUILTIN_THEMES} - {"textual-ansi", "ansi-dark", "ansi-light"})


async def test_text_has_contrast_in_every_theme(home: Home, opened: Opened) -> None:
    async with opened(home) as pilot:
        for name in NAMES:
            pilot.app.theme = name
            inks = palette(pilot.app)
            background = Color.parse(pilot.app.theme_variables["background"])
            for ink in ("primary", "accent", "success", "warning", "error"):
                assert _contrast(background, Color.parse(inks[ink])) >= 4.49, (name, ink)  # rounded to whole bytes


@pytest.mark.parametrize("name", [theme.name for theme in THEMES])
async def test_states_keep_colours_of_their_own(home: Home, opened: Opened, name: str) -> None:
    async with opened(home) as pilot:
        pilot.app.theme = name
        inks = palette(pilot.app)
    assert len({inks[ink] for ink in ("foreground", "primary", "warning", "error")}) == 4
