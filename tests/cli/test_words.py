"""What is typed wrong: two lines that say what was meant, whatever the mistake; and help where nothing is typed."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.markup import render

from recipes.errors import DatabaseError
from tests.cli.conftest import Clf
from tui.commands.program import commands
from tui.commands.verbs import ELSEWHERE, ROOMS, VERBS


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("add", "enqueue"),
        ("kill", "cancel"),
        ("follow", "logs -f"),
        ("log", "logs"),
        ("restart", "retry"),
        ("stash", "pause"),
        ("start", "resume"),
        ("switch", "move"),
        ("group", "worker --device"),
        ("parallel", "worker --device"),
        ("stauts", "status"),
        ("enqeue", "enqueue"),
    ],
)
def test_the_verb_of_another_queue_is_answered_with_ours(clf: Clf, typed: str, meant: str) -> None:
    said = clf(typed, "3")
    assert said.code == 2
    assert said.out == ""
    assert lines(said.err) == [f"error: no such command '{typed}'", f"hint: did you mean 'clf {meant}'?"]


def test_what_is_offered_for_a_foreign_verb_exists(clf: Clf) -> None:
    shown = clf("--help").out
    for meant in set(ELSEWHERE.values()):
        verb = meant.split()[0]
        assert verb in VERBS or verb in shown, meant
    assert not set(ELSEWHERE) & set(VERBS)


def help_texts(command: Any) -> Iterator[str]:
    """What the help of `command`, of its parameters and of the commands below it says."""
    yield from (text for text in (command.help, *(getattr(one, "help", None) for one in command.params)) if text)
    for below in getattr(command, "commands", {}).values():
        yield from help_texts(below)


def test_no_help_text_loses_what_stands_in_square_brackets() -> None:
    """The help is drawn by rich, to which ``[notify]`` is a colour."""
    texts = list(help_texts(commands("")))
    assert len(texts) > 100
    for text in texts:
        assert render(text).plain == text


def test_every_verb_is_found_in_its_room_and_in_the_help(clf: Clf) -> None:
    shown = clf("--help").out
    for verbs in ROOMS.values():
        for verb in verbs:
            assert f"│ {verb} " in shown
            assert clf(verb, "--help").code == 0


@pytest.mark.parametrize(
    "words",
    [
        ("frobnicate",),
        ("--frobnicate",),
        ("cancel",),
        ("cancel", "--nwo"),
        ("status", "--text"),
        ("enqueue", "demo", "--epochs", "many"),
        ("enqueue", "demo", "--batch-size", "0"),
        ("enqueue", "demo", "--max-time", "1x"),
        ("clean", "--older-than", "1x"),
        ("worker", "stat"),
        ("show", "1", "2"),
    ],
)
def test_the_parsers_own_refusals_take_two_lines_too(clf: Clf, words: tuple[str, ...]) -> None:
    said = clf(*words)
    assert said.code == 2
    assert said.out == ""
    assert [line.partition(":")[0] for line in lines(said.err)] == ["error", "hint"], said.err


def test_clf_alone_prints_the_help(clf: Clf) -> None:
    said = clf()
    assert said.code == 0
    assert "enqueue" in said.out


def test_a_flag_takes_no_value_in_the_help(clf: Clf) -> None:
    assert "<bool>" not in clf("status", "--help").out + clf("worker", "--help").out + clf("--help").out


def test_a_damaged_database_takes_two_lines_and_a_traceback_only_with_debug(clf: Clf, home: Path) -> None:
    assert clf("enqueue", "demo").code == 0
    whole = (home / "clf.db").read_bytes()
    (home / "clf.db-wal").unlink(missing_ok=True)
    (home / "clf.db").write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    for words in (("status",), ("show", "1"), ("cancel", "1")):
        said = clf(*words)
        assert said.code == 1, words
        assert len(lines(said.err)) <= 2, said.err
        assert "clf.db" in said.err
    with pytest.raises((sqlite3.Error, DatabaseError)):
        clf("--debug", "show", "1")


@pytest.mark.skipif(os.name == "nt", reason="no head")
def test_a_reader_that_leaves_early_is_no_error(home: Path) -> None:
    del home
    words = f"{sys.executable} -m tui.cli recipes show demo"
    shown = subprocess.run(
        ["bash", "-c", f"{words} | head -1"], capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2]
    )
    assert len(lines(shown.stdout)) == 1
    assert shown.stderr == ""
