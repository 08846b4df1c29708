"""Compare: raw curves behind smoothed ones, and tables that stay whole where room is short."""

from __future__ import annotations

from contextlib import closing

from rich.console import Console
from rich.text import Text

from db import records
from recipes.home import Home
from tests.tui.conftest import Opened, read, screen_text, settled
from tui.ascii import to_ascii
from tui.charts.overlay import overlaid
from tui.charts.panels import View
from tui.charts.picture import GLYPHS
from tui.charts.scale import Unit
from tui.screens.compare import CompareScreen
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


async def test_the_cursor_reads_every_job_exactly_and_the_charts_come_closer(home: Home, opened: Opened) -> None:
    async with opened(home) as pilot:
        await pilot.press(*MARKED, "o")
        await settled(pilot)
        screen = pilot.app.screen
        assert isinstance(screen, CompareScreen)
        last = screen.reach()[1]
        await pilot.press("c", "left", "left", "m")
        await settled(pilot)
        picture = screen.query_one(Chart).picture
        assert picture.title.endswith(f"~0.6 at {last - 2:g}")
        told = {curve.name: curve.value for curve in picture.curves if not curve.faint}
        with closing(records.connect(home.database)) as connection:
            for job in screen.jobs():
                found = records.reading(connection, job.id, "val", "accuracy", last - 2)
                assert found is not None
                assert told[f"#{job.id}"] == found[1]
        assert len(told) == 2
        await pilot.press("right", "right")
        await settled(pilot)
        assert all(not curve.note for curve in screen.query_one(Chart).picture.curves)

        await pilot.press("plus", "plus", "left")
        await settled(pilot)
        assert screen.window is not None
        assert screen.query_one(Chart).picture.axes.window == screen.window
        await pilot.press("0", "i")
        await settled(pilot)
        picture = screen.query_one(Chart).picture
        assert (picture.axes.x, picture.axes.window) == (Unit.STEP, None)
        assert max(max(curve.xs) for curve in picture.curves) > last


def test_the_cursor_says_of_a_shorter_run_that_it_has_ended(home: Home) -> None:
    with closing(records.connect(home.database)) as connection:
        lasts = {job.id: records.series(connection, job.id, "val", "accuracy").xs for job in records.jobs(connection)}
        (short, early), *_, (long, late) = sorted((xs[-1], number) for number, xs in lasts.items() if xs)
        jobs = [(early, 0), (late, 1)]
        picture = overlaid(connection, jobs, "val/accuracy", "Accuracy", Unit.PERCENT, View(cursor=long))
    assert short < long
    assert [curve.note for curve in picture.curves] == [f"(ended at {short:g})", ""]


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
