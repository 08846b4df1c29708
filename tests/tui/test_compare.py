"""Compare: raw curves behind smoothed ones, and tables that stay whole where room is short."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from recipes.home import Home
from tests.tui.conftest import Opened, read, screen_text, settled
from tui.ascii import to_ascii
from tui.charts.picture import GLYPHS
from tui.screens.compared import figures_table, settings_table
from tui.themes import STATE_COLOURS
from tui.widgets.chart import Chart

MARKED = ("j", "j", "j", "j", "space", "G", "space")  # two that succeeded
INKS = dict.fromkeys([*STATE_COLOURS.values(), "quiet"], "")


async def test_smoothing_keeps_the_raw_curves_faintly_behind(home: Home, opened: Opened) -> None:
    async with opened(home) as pilot:
        await pilot.press(*MARKED, "o")
        await settled(pilot)
        raw = pilot.app.screen.query_one(Chart).picture
        await pilot.press("m", "m")
        await settled(pilot)
        smooth = pilot.app.screen.query_one(Chart).picture
    assert [curve.faint for curve in raw.curves] == [False, False]
    assert [curve.faint for curve in smooth.curves] == [True, False, True, False]
    assert [curve.ys for curve in smooth.curves if curve.faint] == [curve.ys for curve in raw.curves]
    assert smooth.title == f"{raw.title} ~0.9"


async def test_the_sorted_column_is_marked(home: Home, opened: Opened) -> None:
    async with opened(home) as pilot:
        await pilot.press(*MARKED, "o", "s")
        await settled(pilot)
        assert "best▼" in screen_text(pilot)


def _drawn(table: object, width: int) -> str:
    console = Console(width=width, color_system=None)
    with console.capture() as said:
        console.print(table)
    return said.get()


def test_names_give_way_before_figures(home: Home) -> None:
    jobs = [read(home, number) for number in (1, 9)]
    signs = {job.id: Text(f"● #{job.id}") for job in jobs}
    text = _drawn(figures_table(jobs, signs, {1: 0.6762, 9: 0.7}, "id", INKS), 62)
    assert "improved…" in text
    for figure in ("81.2%", "83.0%", "80.5%", "81.0%", "0.6762"):
        assert figure in text


def test_settings_are_written_as_in_a_recipe(home: Home) -> None:
    jobs = [read(home, number) for number in (1, 4)]
    text = _drawn(settings_table(jobs, {job.id: Text(f"#{job.id}") for job in jobs}, INKS), 120)
    assert "run.seed" in text
    assert "stages.head.epochs" in text
    assert "stages.head.name" not in text
    assert "True" not in text


def test_curves_keep_different_signs_in_ascii() -> None:
    assert len({to_ascii(sign) for sign in GLYPHS}) == len(GLYPHS)
