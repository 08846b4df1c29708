"""Looking: what the filters let through, and all that is frozen in a job's record."""

import json
import os
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest

from db import records
from jobs.origin import git_commit
from jobs.queue import Queue
from recipes.home import Home
from tests.cli.conftest import Clf
from tui import states


@pytest.fixture
def mixed(clf: Clf, photos: Path) -> Clf:
    """#1 queued on photos, #2 cancelled, #3 waits for #1, #4 blocked by #2, #5 paused."""
    clf("enqueue", "demo", "--data", str(photos), "--name", "pictures")
    clf("enqueue", "two_stage", "--data", "digits")
    clf("enqueue", "demo", "--after", "1")
    clf("enqueue", "demo", "--after", "2")
    clf("enqueue", "demo", "--paused")
    clf("cancel", "2")
    return clf


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        (("-s", "queued"), [1, 3, 4]),
        (("-s", "cancelled", "-s", "paused"), [5, 2]),
        (("-s", "Paused, cancelled"), [5, 2]),
        (("-s", "blocked"), [4]),
        (("-s", "waiting"), [3]),
        (("-s", "finished"), [2]),
        (("--recipe", "two-stage"), [2]),
        (("--data", "PHOTOS"), [1]),
        (("--text", "pict"), [1]),
        (("--recipe", "demo", "-s", "queued", "--data", "digits"), [3, 4]),
        (("1-3", "-s", "queued"), [1, 3]),
        (("pic*",), [1]),
    ],
)
def test_filters(mixed: Clf, words: tuple[str, ...], ids: list[int]) -> None:
    assert [job["id"] for job in json.loads(mixed("status", *words, "--json").out)] == ids
    table = mixed("status", *words).out.splitlines()
    assert [int(line.split()[0]) for line in table if line.split()[0].isdigit()] == ids


def test_a_filter_that_fits_nothing_does_not_call_the_queue_empty(mixed: Clf) -> None:
    assert mixed("status", "-s", "failed").out == "no job fits: 'clf status' shows the queue\n"
    assert mixed("status", "-s", "failed", "--json").out == "[]\n"


def test_a_state_that_does_not_exist_is_refused(mixed: Clf) -> None:
    said = mixed("status", "--state", "quued")
    assert said.code == 2
    assert "did you mean 'queued'?" in said.err


def test_watching_as_json_is_refused(clf: Clf) -> None:
    assert clf("status", "--watch", "--json").code == 2


def test_show_tells_what_was_frozen(mixed: Clf) -> None:
    shown = dict(line.split("  ", 1) for line in mixed("show", "1").out.splitlines() if "  " in line.strip())
    job = json.loads(mixed("show", "1", "--json").out)
    assert shown["data hash"].strip() == job["data_hash"]
    assert len(job["data_hash"]) == 64
    assert shown["version"].strip().startswith(f"clf {version('clf')}")
    if (commit := git_commit()) is not None:
        assert commit[:12] in shown["version"]
    assert "10 epochs, 32 px, batch 32, adamw at 0.004, seed" in shown["plan"]


def test_show_prints_the_frozen_recipe(clf: Clf, tmp_path: Path) -> None:
    clf("enqueue", "demo", "--epochs", "7")
    frozen = tmp_path / "frozen.toml"
    frozen.write_text(clf("show", "1", "--recipe").out)
    again = clf("enqueue", "demo", "--recipe-file", str(frozen), "--dry-run", "--json")
    assert json.loads(again.out)[0]["run"]["epochs"] == 7


def test_show_says_what_a_job_waits_for_and_how_that_stands(mixed: Clf) -> None:
    mixed("edit", "3", "--not-before", "2032-12-01 08:00")
    assert "waits for   #1 pictures (queued)" in mixed("show", "3").out
    assert "not before  2032-12-01 08:00" in mixed("show", "3").out
    assert "#2 two_stage (cancelled)" in mixed("show", "4").out


def test_following_a_log_ends_with_the_job(clf: Clf, home: Path) -> None:
    clf("enqueue", "demo")
    words = [sys.executable, "-m", "tui.cli", "logs", "1", "-f"]
    queue = Queue(Home(home))
    threading.Timer(2.0, lambda: queue.cancel(1)).start()
    done = subprocess.run(words, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False, timeout=60)
    queue.close()
    assert (done.returncode, done.stdout) == (0, "")
    assert "ended without a log" in done.stderr


def test_names_are_not_read_as_markup(clf: Clf) -> None:
    clf("enqueue", "demo", "--name", "a (bold) /red/ name")
    assert "a (bold) /red/ name" in clf("status").out


@pytest.mark.parametrize("words", [("status",), ("status", "--all"), ("show", "1")])
def test_a_terminal_that_knows_ascii_alone_is_served(clf: Clf, words: tuple[str, ...]) -> None:
    clf("enqueue", "demo", "--name", "größer")
    done = subprocess.run(
        [sys.executable, "-m", "tui.cli", *words],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "gr??er" in done.stdout or "größer" in done.stdout  # click writes UTF-8 where it is told ASCII


def test_a_job_for_one_device_says_which_it_waits_for(clf: Clf, home: Path) -> None:
    clf("enqueue", "demo", "--device", "cuda")
    assert "queued for cuda" in clf("status").out
    with closing(records.connect(home / "clf.db")) as connection:
        job = records.job(connection, 1)
    assert states.served(job, ["cpu", "cuda:1"])
    assert not states.served(job, ["cpu"])
    assert states.served(replace(job, device_wanted="auto"), ["cpu"])
    assert not states.served(replace(job, device_wanted="cuda:0"), ["cuda:1"])
