"""What a job is doing where it is not training: the same words in commands, in the header and in the list."""

from __future__ import annotations

from dataclasses import replace

import pytest

from db.records import JobRecord
from recipes.home import Home
from tests.tui.conftest import read
from tests.tui.fill import NOW
from tui import states
from tui.widgets.job_columns import cells, fitting
from tui.widgets.job_summary import describe

FEATURES = "computing the frozen backbone's features 120/720"


@pytest.fixture
def running(home: Home) -> JobRecord:
    return read(home, 2)


def _row(job: JobRecord, width: int) -> str:
    found = cells(job, NOW, fitting(width))
    assert sum(map(len, found)) <= width + 1
    return "".join(found)


def test_the_header_and_the_commands_say_what_is_prepared(running: JobRecord) -> None:
    job = replace(running, phase="preparing", message="checking images 120/720")
    assert states.in_words(job) == "preparing: checking images 120/720"
    said = describe(job, NOW, {}, 80).plain
    assert "preparing" in said
    assert "checking images 120/720" in said
    assert "step 412/720" not in said
    assert "images/s" not in said  # a reading of the steps before


@pytest.mark.parametrize(("phase", "said"), [("train", "step"), ("validate", "validating"), ("test", "testing")])
def test_batches_are_counted_for_what_they_are(running: JobRecord, phase: str, said: str) -> None:
    assert f"{said} 412/720" in describe(replace(running, phase=phase), NOW, {}, 80).plain


def test_the_list_cuts_the_words_and_keeps_the_figures(running: JobRecord) -> None:
    bare = {"best_accuracy": None, "eta_seconds": None, "memory": None, "stage": None}
    job = replace(running, phase="preparing", message=FEATURES, **bare)
    wide, narrow = _row(job, 200), _row(job, 76)
    assert "37/110" not in wide
    assert "computing the frozen backbone's fea… 120/720" in wide
    assert "… 120/720" in narrow


def test_words_stay_off_columns_that_say_something(running: JobRecord) -> None:
    row = _row(replace(running, phase="preparing", message=FEATURES), 76)
    assert "84.7%" in row
    assert "37/110" in _row(running, 76)


def test_a_job_that_waits_for_room_says_so(home: Home) -> None:
    job = replace(read(home, 7), phase="disk full", message="no room left on the disk")
    assert states.in_words(job) == "paused: disk full: no room left on the disk"
    assert "disk full" in _row(job, 76)
    assert "no room left on the disk" in describe(job, NOW, {}, 80).plain
