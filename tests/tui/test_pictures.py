"""A job in pictures: its mistakes from the run directory, and the contact sheet from a real child process."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from textual.strip import Strip

from recipes.home import Home
from tests.tui.conftest import Opened, screen_text, settled, until
from tests.tui.fill import fill
from tests.tui.terminal import Terminal
from tui import graphics
from tui.screens.job import JobScreen
from tui.widgets.photo import HALF, HalfBlocks, fitted, half_blocks, read
from tui.widgets.picture_view import PictureView
from tui.widgets.sixel import COLOURS, sixel_strips

RED, BLUE = (200, 0, 0), (0, 0, 200)


def _flowers(root: Path) -> Path:
    """A data set of two classes; the daisies are red above and blue below."""
    for name in ("daisy", "tulip"):
        (root / name).mkdir(parents=True)
        for number in range(6):
            picture = Image.new("RGB", (40, 40), BLUE)
            picture.paste(RED, (0, 0, 40, 20))
            picture.save(root / name / f"{number}.png")
    return root


@pytest.fixture
def evaluated(tmp_path: Path) -> Home:
    """Job 6 took a daisy for a tulip; one more image it got wrong is gone."""
    data = _flowers(tmp_path / "flowers")
    home = fill(Home(tmp_path / "home"))
    _edit(home, 6, data)
    folder = home.run_dir(6, "demo") / "evaluation"
    folder.mkdir(parents=True)
    report = {"images": 6, "accuracy": 0.5, "classes": [], "most_confused": []}
    (folder / "report.json").write_text(json.dumps(report))
    rows = ["daisy/1.png,daisy,tulip,no,0.98,0.02", "daisy/gone.png,daisy,tulip,no,0.91,0.09", "x,a,a,yes,0.9,0.9"]
    header = "path,actual,predicted,correct,confidence,probability_of_actual"
    (folder / "predictions.csv").write_text("\n".join([header, *rows]))
    return home


def _edit(home: Home, job_id: int, data: Path) -> None:
    import sqlite3

    with sqlite3.connect(home.database) as database:
        (text,) = database.execute("SELECT recipe FROM job WHERE id = ?", (job_id,)).fetchone()
        recipe = json.loads(text)
        recipe["data"] |= {"source": str(data), "image_size": 32}
        row = (json.dumps(recipe), str(data), job_id)
        database.execute("UPDATE job SET recipe = ?, data = ? WHERE id = ?", row)
    database.close()


async def test_the_surest_mistakes_are_shown_with_what_was_said(evaluated: Home, opened: Opened) -> None:
    async with opened(evaluated) as pilot:
        pilot.app.push_screen(JobScreen(6))
        await settled(pilot)
        await pilot.press("7")
        await settled(pilot)
        await until(pilot, lambda: len(pilot.app.screen.query(HalfBlocks)) == 1)
        await until(pilot, lambda: "no such file" in screen_text(pilot))
        text = screen_text(pilot)
        assert "2 surest mistakes" in text
        assert "said tulip 98%" in text
        assert "daisy/1.png" in text
        assert HALF * 20 in text
        assert "half blocks" in text or "pip install textual-image" in text


async def test_the_contact_sheet_is_drawn_by_a_child_and_kept(evaluated: Home, opened: Opened) -> None:
    async with opened(evaluated) as pilot:
        pilot.app.push_screen(JobScreen(6))
        await settled(pilot)
        await pilot.press("7", "right_square_bracket")
        await until(pilot, lambda: "press enter to draw" in screen_text(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: "drawing what the network sees" in screen_text(pilot))
        sheet = evaluated.run_dir(6, "demo") / "contact_sheet.png"
        for _ in range(6):  # the child loads torch
            if sheet.exists():
                break
            await until_quietly(pilot, sheet)
        await until(pilot, lambda: len(pilot.app.screen.query(HalfBlocks)) == 1)
        before = pilot.app.screen.query_one(HalfBlocks).size.width
        await pilot.press("plus")
        await until(pilot, lambda: pilot.app.screen.query(HalfBlocks))
        await until(pilot, lambda: pilot.app.screen.query_one(HalfBlocks).size.width > before)
    assert "torch" not in {name.partition(".")[0] for name in _loaded_by_the_view()}


@pytest.mark.parametrize(("can", "drawn"), [("sixel", "\x1bP"), ("kitty", "a=p,")])
def test_a_terminal_that_draws_pictures_is_sent_pictures(evaluated: Home, can: str, drawn: str) -> None:
    if can == "kitty":
        pytest.importorskip("textual_image", reason="needs the extra clf[images]")
    terminal = Terminal(evaluated, graphics=can)
    try:
        terminal.until(lambda: "quick_test" in terminal.seen)
        terminal.press(":")
        terminal.until(lambda: "Go to job" in terminal.text())
        terminal.press("6\r")
        terminal.until(lambda: "Pictures" in terminal.seen)
        terminal.press("7")
        terminal.until(lambda: drawn in terminal.seen)
        assert HALF not in terminal.seen
    finally:
        terminal.close()


@pytest.mark.parametrize("can", ["silent", "odd"])
def test_a_terminal_that_does_not_answer_gets_half_blocks_and_no_traceback(evaluated: Home, can: str) -> None:
    terminal = Terminal(evaluated, graphics=can)
    try:
        terminal.until(lambda: "quick_test" in terminal.seen)
        before = terminal.seen[: terminal.seen.index("\x1b[?1049h")]
        assert "Traceback" not in before
        assert "Failed" not in before
        terminal.press(":")
        terminal.until(lambda: "Go to job" in terminal.text())
        terminal.press("6\r")
        terminal.until(lambda: "Pictures" in terminal.seen)
        terminal.press("7")
        terminal.until(lambda: HALF in terminal.seen)
    finally:
        terminal.close()


async def until_quietly(pilot: object, path: Path) -> None:
    for _ in range(200):
        if path.exists():
            return
        await pilot.pause(0.05)  # type: ignore[attr-defined]


def _loaded_by_the_view() -> list[str]:
    program = "import sys, tui.widgets.picture_view, tui.contact_sheet, tui.graphics; print(' '.join(sys.modules))"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()


async def test_what_the_child_cannot_draw_is_said(evaluated: Home, opened: Opened) -> None:
    _edit(evaluated, 6, Path("/no/such/folder"))
    async with opened(evaluated) as pilot:
        pilot.app.push_screen(JobScreen(6))
        await settled(pilot)
        await pilot.press("7", "right_square_bracket", "enter")
        await settled(pilot)
        await until(pilot, lambda: "no folder /no/such/folder" in screen_text(pilot))


async def test_looking_only_leaves_nothing_in_the_run_directory(evaluated: Home, opened: Opened) -> None:
    async with opened(evaluated, read_only=True) as pilot:
        pilot.app.push_screen(JobScreen(6))
        await settled(pilot)
        await pilot.press("7", "right_square_bracket")
        await settled(pilot)
        view = pilot.app.screen.query_one(PictureView)
        assert view._job is not None
        assert not view._sheet_path(view._job).is_relative_to(evaluated.root)


def test_half_blocks_hold_two_pixels_each() -> None:
    picture = Image.new("RGB", (4, 4), BLUE)
    picture.paste(RED, (0, 0, 4, 1))
    first, second = half_blocks(picture, 4, 2)
    (segment, *_rest) = first
    assert segment.style is not None
    assert segment.style.color is not None
    assert segment.style.bgcolor is not None
    assert tuple(segment.style.color.triplet or ()) == RED
    assert tuple(segment.style.bgcolor.triplet or ()) == BLUE
    assert second.text == HALF * 4


@pytest.mark.parametrize(
    ("size", "box", "cells"),
    [((100, 100), (20, 20), (20, 10)), ((400, 100), (20, 20), (20, 2)), ((100, 400), (20, 20), (10, 20))],
)
def test_pictures_keep_their_proportions(size: tuple[int, int], box: tuple[int, int], cells: tuple[int, int]) -> None:
    assert fitted(size, *box) == cells


def test_greyscale_palette_and_transparent_pictures_are_read(tmp_path: Path) -> None:
    for mode in ("L", "P", "RGBA", "I;16"):
        path = tmp_path / f"{mode.replace(';', '')}.png"
        Image.fromarray(np.zeros((8, 8), np.uint16)).save(path) if mode == "I;16" else Image.new(mode, (8, 8)).save(
            path
        )
        assert read(path, 4).size == (4, 4)


def test_without_a_terminal_half_blocks_must_do() -> None:
    graphics.ask_terminal()
    assert graphics.kind() == ""
    assert graphics.note()


@pytest.mark.parametrize(
    ("answers", "kind", "cell"),
    [
        (b"\x1b[6;17;8t\x1b[?63;1;2;4;6c", "sixel", (8, 17)),
        (b"\x1b_Gi=31;OK\x1b\\\x1bP>|kitty(0.28.1)\x1b\\\x1b[6;20;10t\x1b[?62;c", "kitty", (10, 20)),
        (b"\x1b_Gi=31;OK\x1b\\\x1bP>|kitty(0.26.5)\x1b\\\x1b[6;20;10t\x1b[?62;c", "", (10, 20)),
        (b"\x1b_Gi=31;OK\x1b\\\x1b[?62;c", "", (10, 20)),
        (b"\x1b_Gi=31;OK\x1b\\\x1b[?62;4c", "sixel", (10, 20)),
        (b"q\x1b[?1;2c", "", (10, 20)),
        (b"\x1b[?4c", "", (10, 20)),
        (b"\x1b[6;0;0t\xff\xfe", "", (10, 20)),
        (b"", "", (10, 20)),
    ],
)
def test_what_a_terminal_answers_is_understood(answers: bytes, kind: str, cell: tuple[int, int]) -> None:
    understood = graphics.understood(answers)
    assert (understood.kind, understood.cell) == (kind, cell)


def test_an_answer_that_takes_its_time_is_not_taken_for_keys(evaluated: Home) -> None:
    terminal = Terminal(evaluated, graphics="late")
    try:
        terminal.until(lambda: "quick_test" in terminal.seen)
        terminal.drain(2)
        assert "esc closes" not in terminal.text(), "ESC [ ? 62 c would open the help"
        terminal.press("?")
        terminal.until(lambda: "esc closes" in terminal.text())
    finally:
        terminal.close()


@pytest.mark.parametrize("kind", ["", "sixel", "kitty", "silent"])
def test_keys_typed_while_the_terminal_is_asked_are_kept(evaluated: Home, kind: str) -> None:
    terminal = Terminal(evaluated, graphics=kind, ahead=b":6\r3\x1b[Bn")  # job 6, its log, down, and the next job
    try:
        terminal.until(lambda: "#5 quick_test" in terminal.text())
    finally:
        terminal.close()


@pytest.mark.parametrize(
    ("said", "typed"),
    [
        (b"j\x1b[6;17;8t\xc3\xa4\x1b[?63;1;2;4;6cq\n", "j\u00e4q\n"),
        (b"\x1b_Gi=31;OK\x1b\\\x1b[B\x1bP>|kitty(0.28.1)\x1b\\\x1b[6;5~\x1b[?62;c\x1b", "\x1b[B\x1b[6;5~\x1b"),
        (b"\x1bPq\x1bOAj\x1b[?62", "\x1bPq\x1bOAj"),
        (b"x\x1bP>|XTerm(3", "x"),
        (b"\xff\xfe", ""),
    ],
)
def test_what_is_no_answer_was_typed(said: bytes, typed: str) -> None:
    assert graphics.typed(said) == typed


def test_a_dialog_over_sixels_that_are_panned_cuts_none_of_them_open(evaluated: Home) -> None:
    Image.new("RGB", (300, 300), BLUE).save(evaluated.run_dir(6, "demo") / "contact_sheet.png")
    terminal = Terminal(evaluated, graphics="sixel", columns=80, lines=24)
    try:
        terminal.until(lambda: "quick_test" in terminal.seen)
        terminal.press(":")
        terminal.until(lambda: "Go to job" in terminal.text())
        terminal.press("6\r")
        terminal.until(lambda: "Pictures" in terminal.seen)
        terminal.press("7]")
        terminal.until(lambda: "\x1bP" in terminal.seen)
        for keys in ("++", "ll", "?", "\x1b", "hk"):
            terminal.press(keys)
            terminal.drain(1)
        left = re.sub(r"\x1bP[^\x1b]*\x1b\\", "", terminal.seen[: terminal.seen.rindex("\x1b8")])
        assert "\x1bP" not in left
        assert "#0;2;" not in left
    finally:
        terminal.close()


def test_sixels_hold_the_pixels_and_any_cut_holds_its_own() -> None:
    chance = np.random.default_rng(3)
    picture = Image.fromarray(chance.integers(0, 256, (34, 40, 3), np.uint8))
    strips = sixel_strips(picture, 5, 2, (8, 17))
    assert [strip.cell_length for strip in strips] == [5, 5]
    wanted = np.asarray(picture.quantize(COLOURS, Image.Quantize.MEDIANCUT).convert("RGB"), float)
    whole = np.vstack([_pixels(strip) for strip in strips])
    assert np.abs(whole - wanted).max() <= 2, "percent are coarser than bytes"
    for strip in strips:
        for cut in (strip.divide([2, 3, 5]), [strip.crop(0, 2), strip.crop(2).crop(0, 1), strip.crop(3, 5)]):
            assert [part.cell_length for part in cut] == [2, 1, 2]
            assert np.array_equal(np.hstack([_pixels(part) for part in cut]), _pixels(strip))
    assert strips[0].divide([0, 5])[0].cell_length == 0


def _pixels(strip: Strip) -> np.ndarray[Any, Any]:
    """What a terminal would draw over the blank cells of a strip, as RGB."""
    blank, drawn = strip
    assert blank.text == " " * strip.cell_length
    match = re.fullmatch(r'\x1b7\x1b\[(\d+)D\x1bP0;1;0q"1;1;(\d+);(\d+)(.*)\x1b\\\x1b8', drawn.text, re.DOTALL)
    assert match is not None
    assert int(match[1]) == strip.cell_length
    seen = np.full((int(match[3]) + 6, int(match[2]), 3), -1.0)
    colours, colour, x, y = {}, "", 0, 0
    for token in re.findall(r"#\d+;2;\d+;\d+;\d+|#\d+|\$|-|!\d+.|.", match[4]):
        if ";" in token:
            number, _, *percent = token.split(";")
            colours[number] = np.array(percent, float) * 2.55
        elif token[0] == "#":
            colour = token
        elif token in "$-":
            x, y = 0, y + 6 * (token == "-")
        else:
            bits, run = ord(token[-1]) - 63, int(token[1:-1] or 1)
            for row in (row for row in range(6) if bits >> row & 1):
                seen[y + row, x : x + run] = colours[colour]
            x += run
    return seen[: int(match[3])]
