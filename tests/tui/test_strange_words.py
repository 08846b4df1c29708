"""Names, paths, messages and log lines are shown as they are: no markup, no control sequence, no crooked column."""

from __future__ import annotations

import csv
import json
import sqlite3
from pathlib import Path

from rich.cells import cell_len

from recipes.home import Home
from tests.tui.conftest import Opened, screen_text, settled
from tests.tui.fill import NOW, write_run_directory
from tui.app import ClfApp
from tui.screens.confirm import ConfirmScreen
from tui.screens.job import JobScreen

MARKUP = "[/][bold]:rose:[@click=app.quit]"
STEERING = {*map(chr, range(32)), *map(chr, range(127, 160)), "\u202e", "\u2066"} - {"\n"}
WALK = {
    "the list": ("G", "b", "b", "b", "b"),
    "a failed job": ("colon", "5", "enter", "5", "3", "6", "7", "4"),
    "a running job": ("enter", "6", "5", "3"),
    "comparing": ("space", "G", "space", "o"),
    "editing": ("colon", "3", "enter", "e"),
    "one like it": ("d",),
    "cancelling": ("x",),
    "copying": ("y",),
    "recipes": ("R", "G", "d"),
}


def _said_everywhere(home: Home, words: str) -> Home:
    """A home in which everything that has words of its own has these."""
    with sqlite3.connect(home.database) as database:
        database.execute("UPDATE job SET name = ?1, data = '/data/' || ?1 WHERE id != 2", (words,))
        database.execute("UPDATE job SET failure_message = ?1, failure_hint = ?1 WHERE id = 5", (words,))
        database.execute("UPDATE job SET name = ?1, device = ?1, model = ?1, phase = 'preparing', message = ?1 "
                         "WHERE id = 2", (words,))  # fmt: skip
        database.execute("UPDATE event SET message = ?1", (words,))
    database.close()
    for number, name in ((2, "two_stage"), (5, "quick_test")):
        _write_run(home.run_dir(number, name), words)
    own = home.recipes / "zz.toml"
    own.parent.mkdir(exist_ok=True)
    own.write_text(f'extends = "demo"\ndescription = {json.dumps(words)}\n', encoding="utf-8")
    return home


def _write_run(directory: Path, words: str) -> None:
    write_run_directory(directory)
    with (directory / "training.log").open("a", encoding="utf-8") as log:
        log.write(f"2026-09-21 12:59:00 ERROR {words}\n{words}\n")
    classes = [{"class": words, "precision": 0.1, "recall": 0.2, "f1": 0.3, "images": 3}]
    pairs = [{"actual": words, "predicted": words, "images": 2}]
    report = {"images": 10, "accuracy": 0.5, "classes": classes, "most_confused": pairs}
    (directory / "evaluation").mkdir()
    (directory / "evaluation" / "report.json").write_text(json.dumps(report), encoding="utf-8")
    with (directory / "evaluation" / "predictions.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "actual", "predicted", "correct", "confidence", "probability_of_actual"])
        rows.writerow((words, words, words, "no", "0.9", "0.1"))


async def test_brackets_are_brackets_on_every_screen(home: Home, opened: Opened) -> None:
    _said_everywhere(home, words := MARKUP)
    for where, keys in WALK.items():
        async with opened(home, size=(140, 40)) as pilot:
            for key in keys:
                await pilot.press(key)
                await settled(pilot)
                if isinstance(pilot.app.screen, JobScreen) and pilot.app.screen.tab in ("results", "log", "events"):
                    assert words in screen_text(pilot), f"{where} after {key}"
            told = words[:3] if where == "comparing" else words  # names give way before figures there
            assert told in screen_text(pilot) or where in ("copying", "a failed job", "recipes", "one like it"), where


async def test_no_word_steers_the_terminal(home: Home, opened: Opened) -> None:
    _said_everywhere(home, "\x1b[31mred\x07\x9b2J one\ttwo\u202eevil\u2066")
    keys = ("G", "b", "b", "b", "x", "n", "d", "escape", "R", "G", "escape", "enter", "3", "6", "5", "7", "escape",
            "colon", "5", "enter", "3", "4", "5", "escape", "space", "g", "space", "o")  # fmt: skip
    async with opened(home, size=(140, 40)) as pilot:
        for key in keys:
            await pilot.press(key)
            await settled(pilot)
            assert not set(screen_text(pilot)) & STEERING, f"after {key}"
            assert {cell_len(line) for line in screen_text(pilot).splitlines()} == {140}, f"after {key}"


async def test_a_notice_says_what_was_typed(home: Home) -> None:
    app = ClfApp(home, clock=lambda: NOW, ascii=False)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await settled(pilot)
        await pilot.press("colon", *"[/]", "enter")
        await settled(pilot)
        assert "no job [/]" in screen_text(pilot)
        await pilot.press("ctrl+c")
        await settled(pilot)
        assert "press q to quit" in screen_text(pilot)


async def test_a_question_names_the_job_as_it_is_named(home: Home, opened: Opened) -> None:
    with sqlite3.connect(home.database) as database:
        database.execute("UPDATE job SET name = '[b]x[/]' WHERE id = 2")
    database.close()
    async with opened(home) as pilot:
        await pilot.press("x")
        await settled(pilot)
        assert isinstance(pilot.app.screen, ConfirmScreen)
        assert "Cancel #2 [b]x[/]?" in screen_text(pilot)
