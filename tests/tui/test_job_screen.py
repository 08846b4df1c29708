"""The job screen by keyboard: tabs, chart keys, log, recipe, results, and a run directory that is gone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import RichLog

from recipes.home import Home
from tests.tui.conftest import Opened, screen_text, settled, until
from tests.tui.fill import write_run_directory
from tui.screens.job import JobScreen
from tui.screens.run_files import LogReader, results, severity


async def _show(pilot: Pilot[None], *keys: str) -> JobScreen:
    await pilot.press("enter", *keys)
    await settled(pilot)
    screen = pilot.app.screen
    assert isinstance(screen, JobScreen)
    return screen


async def test_every_tab_has_its_number(home: Home, opened: Opened) -> None:
    async with opened(home) as pilot:
        screen = await _show(pilot)
        for key, tab in (("2", "machine"), ("4", "recipe"), ("5", "results"), ("6", "events"), ("1", "charts")):
            await pilot.press(key)
            await settled(pilot)
            assert screen.tab == tab
        await pilot.press("tab")
        assert screen.tab == "machine"


async def test_up_and_down_are_harmless_in_every_tab(home: Home, opened: Opened) -> None:
    async with opened(home, size=(80, 24)) as pilot:
        await _show(pilot)
        for tab in "1234567":
            await pilot.press(tab, "down", "up", "j", "k")
            await settled(pilot)
        assert isinstance(pilot.app.screen, JobScreen)


async def test_the_header_says_what_runs_and_how_far_it_is(home: Home, opened: Opened) -> None:
    async with opened(home) as pilot:
        await _show(pilot)
        text = screen_text(pilot)
        for said in ("#2 two_stage", "efficientnet_b3", "cuda:0", "epoch 37/110", "step 412/720", "1184 images/s"):
            assert said in text
        assert "overfitting" in text


async def test_the_header_of_a_failed_job_is_as_high_as_its_words(home: Home, opened: Opened) -> None:
    async with opened(home, size=(120, 40)) as pilot:
        await pilot.press(*":5", "enter")
        await settled(pilot)
        for width in (120, 200, 60, 120):
            await pilot.resize_terminal(width, 40)
            await settled(pilot)
            above = screen_text(pilot).partition("1 Charts")[0].splitlines()[:-1]
            assert len(above) == (6 if width == 60 else 5)
            assert all(line.strip() for line in above)


async def test_zoom_pan_and_reset(home: Home, opened: Opened) -> None:
    async with opened(home) as pilot:
        screen = await _show(pilot)
        await pilot.press("plus")
        assert screen.window == (18.5, 37.0)
        await pilot.press("left")
        assert screen.window is not None
        assert screen.window[1] < 37.0
        await pilot.press("right", "right", "right")
        assert screen.window == (18.5, 37.0)
        await pilot.press("0")
        assert screen.window is None


async def test_the_cursor_reads_every_series(home: Home, opened: Opened) -> None:
    async with opened(home) as pilot:
        screen = await _show(pilot, "c", "left", "left")
        await settled(pilot)
        assert screen.cursor == 35.0
        assert "Loss at 35" in screen_text(pilot)
        await pilot.press("c")
        assert screen.cursor is None


async def test_smoothing_logarithm_and_x_axis(home: Home, opened: Opened) -> None:
    async with opened(home) as pilot:
        await _show(pilot, "m", "g")
        text = screen_text(pilot)
        assert "Loss ~0.6 log" in text
        await pilot.press("i")
        await settled(pilot)
        assert " step" in screen_text(pilot)
    kept = json.loads((home.root / "tui.json").read_text())
    assert (kept["smoothing"], kept["log_y"], kept["x_axis"]) == (0.6, True, "step")


async def test_the_log_follows_filters_and_finds(home: Home, opened: Opened) -> None:
    log_file = home.run_dir(2, "two_stage") / "training.log"
    write_run_directory(log_file.parent)
    async with opened(home) as pilot:
        screen = await _show(pilot, "3")
        log = screen.query_one(RichLog)
        assert len(log.lines) == 300
        with log_file.open("a") as file:
            file.write("2026-09-21 12:30:00 ERROR something new\n")
        screen.follow(screen.clf.overview)
        await settled(pilot)
        assert "something new" in screen_text(pilot)
        await pilot.press("v")
        assert len(log.lines) == 2
        await pilot.press("v")
        assert len(log.lines) == 1
        await pilot.press("v", "slash", *"epoch 17", "enter")
        await pilot.pause()
        assert len(log.lines) == 11
        await pilot.press("f")
        assert "not following" in screen_text(pilot)


async def test_a_long_line_of_the_log_is_folded_to_the_width(home: Home, opened: Opened) -> None:
    folder = home.run_dir(2, "two_stage")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "training.log").write_text("short\n" + "many words, " * 20 + "the end\n")
    async with opened(home, size=(80, 24)) as pilot:
        log = (await _show(pilot, "3")).query_one(RichLog)
        for width, lines in ((80, 5), (120, 4), (60, 6)):
            await pilot.resize_terminal(width, 24)
            await settled(pilot)
            assert len(log.lines) == lines
            assert not log.show_horizontal_scrollbar
            assert "2 lines" in screen_text(pilot)
            assert "the end" in screen_text(pilot)


async def test_the_recipe_tab_says_what_differs(home: Home, opened: Opened) -> None:
    async with opened(home) as pilot:
        await pilot.press("j", "j", "enter", "4")
        await settled(pilot)
        text = screen_text(pilot)
        assert "differs from the recipe in" in text
        assert "data.source  food-101 → /data/flowers12" in text
        assert "run.seed  0 → 7" in text


async def test_events_are_listed(home: Home, opened: Opened) -> None:
    async with opened(home) as pilot:
        await _show(pilot, "6")
        assert "micro-batch halved to 8" in screen_text(pilot)


async def test_results_appear_once_they_exist(home: Home, opened: Opened) -> None:
    async with opened(home) as pilot:
        screen = await _show(pilot, "5")
        assert "no results yet" in screen_text(pilot)
        write_results(home.run_dir(2, "two_stage"))
        screen.follow(screen.clf.overview)
        await settled(pilot)
        text = screen_text(pilot)
        for said in ("daisy", "0.400", "taken for", "img/7.jpg", "99%"):
            assert said in text


def write_results(directory: Path) -> None:
    folder = directory / "evaluation"
    folder.mkdir(parents=True)
    classes = [{"class": "daisy", "precision": 0.5, "recall": 1 / 3, "f1": 0.4, "images": 6}]
    confused = [{"actual": "daisy", "predicted": "tulip", "images": 4}]
    report = {"images": 6, "accuracy": 0.33, "classes": classes, "most_confused": confused}
    (folder / "report.json").write_text(json.dumps(report))
    header = "path,actual,predicted,correct,confidence,probability_of_actual\n"
    (folder / "predictions.csv").write_text(header + "img/7.jpg,daisy,tulip,no,0.99,0.01\nx,a,a,yes,0.9,0.9\n")


CLASS = '{"class": "a", "precision": 1.0, "recall": 1.0, "f1": %s}'


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{",
        '{"images": "x"}',
        '{"images": 3, "classes": 1}',
        '{"images": 3, "classes": [1], "most_confused": []}',
        f'{{"images": 3, "classes": [{CLASS % "null"}], "most_confused": []}}',
        f'{{"images": 3, "classes": [{CLASS % "1.0"}], "most_confused": ["x"]}}',
    ],
)
def test_damaged_results_are_no_results(tmp_path: Path, content: str) -> None:
    (tmp_path / "evaluation").mkdir()
    (tmp_path / "evaluation" / "report.json").write_text(content)
    assert results(tmp_path) is None


def test_damaged_predictions_are_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "evaluation"
    folder.mkdir()
    (folder / "report.json").write_text(f'{{"images": 3, "classes": [{CLASS % "1.0"}], "most_confused": []}}')
    (folder / "predictions.csv").write_text("path,actual,predicted,correct,confidence\na.png,x,y,no,sure\n")
    found = results(tmp_path)
    assert found is not None
    assert not found.worst


async def test_neighbours_and_a_deleted_job(home: Home, opened: Opened) -> None:
    async with opened(home) as pilot:
        await _show(pilot, "n")
        screen = pilot.app.screen
        assert isinstance(screen, JobScreen)
        assert screen.job_id == 3
        await pilot.press("N", "N")
        await settled(pilot)
        screen = pilot.app.screen
        assert isinstance(screen, JobScreen)
        assert screen.job_id == 1
        await pilot.press("D", "y")
        await until(pilot, lambda: "job 1 is no longer in the queue" in screen_text(pilot))


def test_a_log_is_read_as_it_grows_and_again_when_it_shrank(tmp_path: Path) -> None:
    path = tmp_path / "training.log"
    reader = LogReader(path)
    assert reader.lines() is None
    path.write_text("one\ntwo\nthr")
    assert reader.lines() == ["one", "two"]
    with path.open("a") as file:
        file.write("ee\n")
    assert reader.lines() == ["three"]
    assert reader.lines() == []
    path.write_text("new\n")
    assert reader.lines() == ["new"]


def test_a_long_log_is_read_from_near_its_end(tmp_path: Path) -> None:
    path = tmp_path / "training.log"
    path.write_text("".join(f"line {n}\n" for n in range(100_000)))
    lines = LogReader(path).lines()
    assert lines is not None
    assert lines[-1] == "line 99999"
    assert lines[0].startswith("line ")
    assert len(lines) < 50_000


def test_severity_is_read_from_the_head_of_a_line() -> None:
    assert [severity(f"2026-09-21 12:00:00 {word} x") for word in ("DEBUG", "INFO", "WARNING", "ERROR")] == [0, 1, 2, 3]
    assert severity("  File x, line 3") == 1
