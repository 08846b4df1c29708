"""The verbs on several jobs at once, and on jobs that are not in the state for them."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from jobs.queue import Queue
from recipes.home import Home
from tests.cli.conftest import Clf


def states(clf: Clf) -> dict[int, str]:
    return {job["id"]: job["state"] for job in json.loads(clf("status", "--json", "--all").out)}


def test_what_one_of_several_refuses_the_others_still_get(clf: Clf) -> None:
    clf("enqueue", "demo", "--seeds", "1-4")
    clf("cancel", "2")
    said = clf("cancel", "1-4")
    assert said.code == 1
    assert said.out.splitlines() == ["#1 cancelled", "#3 cancelled", "#4 cancelled"]
    assert "#2 has ended" in said.err
    assert set(states(clf).values()) == {"cancelled"}


@pytest.mark.parametrize("verb", ["cancel", "pause", "resume", "retry", "rm", "wait", "show", "logs", "edit", "status"])
def test_an_empty_word_is_no_job_and_never_the_whole_queue(clf: Clf, verb: str) -> None:
    clf("enqueue", "demo")
    assert clf(verb, "").code == 3
    assert states(clf) == {1: "queued"}
    assert "paused" not in clf("status").out


@pytest.mark.parametrize("verb", ["show", "logs", "edit", "duplicate", "extend", "move", "priority"])
def test_a_verb_for_one_job_refuses_a_range(clf: Clf, verb: str) -> None:
    clf("enqueue", "demo", "--seeds", "1,2")
    more = {"extend": ["--epochs", "20"], "move": ["--first"], "priority": ["3"]}.get(verb, [])
    said = clf(verb, "1-2", *more)
    assert (said.code, said.out) == (2, "")
    assert "'1-2' means 2 jobs" in said.err


def test_a_negative_priority_is_a_number_and_no_option(clf: Clf) -> None:
    clf("enqueue", "demo", "--seeds", "1,2")
    assert clf("priority", "1", "-5").out == "#1 has priority -5\n"
    assert next(iter(states(clf))) == 2
    assert clf("priority", "1", "--soon").code == 2


def test_a_job_can_be_moved_before_a_paused_one(clf: Clf) -> None:
    clf("enqueue", "demo", "--seeds", "1,2,3")
    clf("pause", "1")
    assert clf("move", "3", "--before", "1").out == "#3 stands before #1\n"
    assert clf("move", "3", "--first", "--last").code == 2


def test_circles_are_refused(clf: Clf) -> None:
    clf("enqueue", "demo", "--name", "one")
    clf("enqueue", "demo", "--after", "one", "--name", "two")
    said = clf("edit", "one", "--after", "two")
    assert said.code == 1
    assert "#1 cannot wait for #2: #2 waits for #1" in said.err
    assert clf("edit", "two", "--after", "none").code == 0
    assert clf("edit", "one", "--after", "two", "--name", "later").code == 0
    job = json.loads(clf("show", "later", "--json").out)
    assert (job["id"], job["waiting_for"]) == (1, [2])


def test_an_edit_that_changes_nothing_says_so(clf: Clf) -> None:
    clf("enqueue", "demo")
    assert clf("edit", "1", "--set", "run.epochs=10").out == "nothing changed\n"
    assert clf("edit", "1", "--set", "optim.lr=fast").code == 2


def test_the_copy_of_a_job_is_the_same_work(clf: Clf, photos: Path) -> None:
    clf("enqueue", "demo", "--data", str(photos))
    clf("duplicate", "1")
    one, two = (json.loads(clf("show", job, "--json").out) for job in ("1", "2"))
    assert one["data_hash"] == two["data_hash"] is not None
    assert clf("enqueue", "demo", "--data", str(photos), "--unique").code == 1


def test_wait_ends_at_a_job_that_can_no_longer_run(clf: Clf) -> None:
    clf("enqueue", "demo", "--name", "parent")
    clf("enqueue", "demo", "--after", "parent", "--name", "child")
    clf("cancel", "parent")
    said = clf("wait", "child")
    assert (said.code, said.out) == (1, "#2 blocked by #1\n")
    assert clf("wait", "--all").code == 1


def test_wait_for_all_waits_for_what_is_added_meanwhile(clf: Clf, home: Path) -> None:
    clf("enqueue", "demo")
    words = [sys.executable, "-m", "tui.cli", "wait", "--all"]
    with subprocess.Popen(words, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as wait:
        assert wait.stdout is not None
        assert wait.stderr is not None
        assert b"no worker is running" in wait.stderr.readline()  # it has looked by now
        clf("enqueue", "demo", "--name", "late")
        queue = Queue(Home(home))
        threading.Timer(1.0, lambda: (queue.cancel(1), queue.cancel(2))).start()
        assert wait.stdout.read().splitlines() == [b"#1 cancelled", b"#2 cancelled"]
    assert wait.returncode == 1
    queue.close()


def test_rm_asks_and_yes_answers(clf: Clf) -> None:
    clf("enqueue", "demo", "--seeds", "1,2")
    clf("cancel", "1")
    said = clf("rm", "1")
    assert said.code == 1
    assert "--yes" in said.err
    said = clf("rm", "1", "2", "--yes")
    assert (said.code, said.out) == (1, "#1 removed\n")
    assert "#2 is queued" in said.err
    assert states(clf) == {2: "queued"}


def test_clean_needs_no_age(clf: Clf) -> None:
    clf("enqueue", "demo")
    clf("cancel", "1")
    assert "30d" in clf("clean").out
