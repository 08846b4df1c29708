"""Adding jobs: several at once, what they wait for, when they may begin, and what each is called."""

import json
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.cli.conftest import Clf
from tui.commands.times import moment, seconds


def jobs(clf: Clf) -> list[dict[str, object]]:
    return sorted(json.loads(clf("status", "--json").out), key=lambda job: job["id"])


def test_several_jobs_of_one_command_can_be_told_apart(clf: Clf) -> None:
    clf("enqueue", "demo", "two_stage", "--data", "digits", "--seeds", "1,3-4", "--name", "exp")
    assert [job["name"] for job in jobs(clf)] == [
        *("exp-demo-s1", "exp-demo-s3", "exp-demo-s4"),
        *("exp-two_stage-s1", "exp-two_stage-s3", "exp-two_stage-s4"),
    ]
    assert clf("cancel", "exp-demo-*").out.splitlines() == ["#1 cancelled", "#2 cancelled", "#3 cancelled"]


def test_pictures_that_are_passed_over_are_said_when_a_job_is_queued(clf: Clf, photos: Path) -> None:
    assert "passed over" not in clf("enqueue", "demo", "--data", str(photos)).out
    for number in range(3):
        (photos / "dark" / f"{number}.heic").write_bytes(b"a telephone's")
    assert "test images; passed over, as no images: 3 .heic" in clf("enqueue", "demo", "--data", str(photos)).out


def test_a_class_that_a_file_of_weights_misspells_is_found_when_the_job_is_queued(clf: Clf, photos: Path) -> None:
    weights = photos.parent / "weights.csv"
    for name, code in (("light", 0), ("lihgt", 1)):
        weights.write_text(f"class,weight\ndark,1\n{name},2\n")
        said = clf("enqueue", "demo", "--data", str(photos), "--class-weights", str(weights))
        assert said.code == code
    assert "line 3: no class named 'lihgt'" in said.err
    assert "did you mean 'light'?" in said.err
    assert len(jobs(clf)) == 1


def test_one_job_keeps_the_name_it_was_given(clf: Clf) -> None:
    clf("enqueue", "demo", "--name", "exp")
    clf("enqueue", "demo", "two_stage", "--data", "digits")
    assert [job["name"] for job in jobs(clf)] == ["exp", "demo", "two_stage"]


def test_terms_are_said_back(clf: Clf) -> None:
    clf("enqueue", "demo", "--name", "first")
    said = clf("enqueue", "demo", "--after", "first", "--not-before", "2032-12-01 08:00", "-p", "2", "--paused").out
    assert said.endswith(", after #1, not before 2032-12-01 08:00, priority 2, paused\n")
    assert jobs(clf)[1]["waiting_for"] == [1]


def test_waiting_for_jobs_named_more_than_once_counts_them_all(clf: Clf) -> None:
    clf("enqueue", "demo", "--seeds", "1-4")
    clf("enqueue", "demo", "--after", "1", "--after", "2,3", "--after-any", "4")
    assert jobs(clf)[4]["waiting_for"] == [1, 2, 3, 4]


@pytest.mark.parametrize("option", ["--after", "--after-any"])
@pytest.mark.parametrize("empty", ["", ","])
def test_an_unset_variable_is_not_waiting_for_nothing(clf: Clf, option: str, empty: str) -> None:
    clf("enqueue", "demo")
    assert clf("enqueue", "demo", option, empty).code == 3
    assert len(jobs(clf)) == 1


def test_unique_queues_what_is_missing_and_says_what_is_there(clf: Clf) -> None:
    clf("enqueue", "demo", "--seeds", "1,2")
    said = clf("enqueue", "demo", "--seeds", "1,2,3", "--unique")
    assert said.code == 1
    assert said.out.startswith("queued #3: demo-s3")
    assert "#1 is the same" in said.err
    assert "#2 is the same" in said.err


def test_json_tells_what_was_queued(clf: Clf) -> None:
    rows = json.loads(clf("enqueue", "demo", "--seeds", "5,6", "--json").out)
    assert [(row["id"], row["name"], row["recipe"]["run"]["seed"]) for row in rows] == [
        (1, "demo-s5", 5),
        (2, "demo-s6", 6),
    ]


@pytest.mark.parametrize("seeds", ["", "a", "1,,2", "3-1", "1-2000", "1.5"])
def test_seeds_that_are_none_are_refused(clf: Clf, seeds: str) -> None:
    assert clf("enqueue", "demo", "--seeds", seeds).code == 2


def test_one_bad_recipe_queues_none_of_several(clf: Clf) -> None:
    assert clf("enqueue", "demo", "nonsense").code == 1
    assert clf("status", "--json").out == "[]\n"


@pytest.mark.parametrize(
    ("text", "length"),
    [("90", 90), ("15m", 900), ("8H", 28800), ("1.5h", 5400), ("2d", 172800), ("1w", 604800), ("1h 30m 5s", 5405)],
)
def test_lengths_of_time(text: str, length: float) -> None:
    assert seconds(text, "--max-time") == length


@pytest.mark.parametrize("text", ["", "0", "0h", "-5m", "h", "8x", "1e3", "9" * 400, "11000d", "30m1h"])
def test_what_is_no_length_of_time_is_refused(clf: Clf, text: str) -> None:
    assert clf("enqueue", "demo", f"--max-time={text}").code == 2
    assert clf("clean", f"--older-than={text}").code == 2


def test_the_time_of_day_is_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: datetime(2026, 11, 21, 15, 30).timestamp())

    class Today(datetime):
        @classmethod
        def today(cls) -> "Today":
            return cls(2026, 11, 21, 15, 30)

    monkeypatch.setattr("tui.commands.times.date", Today)
    assert moment("22:00", "") == datetime(2026, 11, 21, 22, 0).timestamp()
    assert moment("8:05", "") == datetime(2026, 11, 22, 8, 5).timestamp()
    assert moment("tomorrow 22:00", "") == datetime(2026, 11, 22, 22, 0).timestamp()
    assert moment("Tomorrow", "") == datetime(2026, 11, 22).timestamp()
    assert moment("+1h30m", "") == datetime(2026, 11, 21, 17, 0).timestamp()


@pytest.mark.parametrize(
    "text", ["2032-12-01T08:00:00Z", "2032-12-01T10:00+02:00", "2032-12-01 00:00:00-08:00", "20321201T080000Z"]
)
def test_iso_times_heed_their_time_zone(text: str) -> None:
    assert moment(text, "") == 1985500800.0


def test_iso_times_without_a_zone_are_local() -> None:
    assert moment("2032-12-01", "") == datetime(2032, 12, 1).timestamp()
    assert moment("2032-12-01 08:00", "") == datetime(2032, 12, 1, 8).timestamp()


@pytest.mark.parametrize(
    "text",
    ["", "soon", "25:00", "8:61", "10pm", "-2h", "+", "+0s", "2020-01-01", "2026-02-30", "9999-12-31", "0001-01-01"],
)
def test_a_time_that_is_none_or_past_is_refused(clf: Clf, text: str) -> None:
    said = clf("enqueue", "demo", f"--not-before={text}")
    assert said.code == 2
    assert "--not-before" in said.err


def test_a_time_in_the_past_is_named(clf: Clf) -> None:
    yesterday = (datetime.now() - timedelta(days=1)).strftime("%Y-%m-%d %H:%M")
    assert f"{yesterday} lies in the past" in clf("enqueue", "demo", "--not-before", yesterday).err
