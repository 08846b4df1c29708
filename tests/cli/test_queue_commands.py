"""Adding, looking and changing from the command line, over a pipe."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Clf


def states(clf: Clf) -> dict[int, str]:
    return {job["id"]: job["state"] for job in json.loads(clf("status", "--json", "--all").out)}


def test_enqueue_says_what_it_queued_and_that_no_worker_runs(clf: Clf, photos: Path) -> None:
    said = clf("enqueue", "demo", "--data", photos.name, "--epochs", "4")
    assert said.out.startswith("queued #1: demo")
    assert "2 classes" in said.out
    assert "4 epochs" in said.out
    assert "no worker is running" in said.err


def test_paths_are_frozen_absolute_because_the_worker_runs_elsewhere(clf: Clf, photos: Path) -> None:
    clf("enqueue", "demo", "--data", "photos")
    (job,) = json.loads(clf("status", "--json").out)
    assert job["recipe"]["data"]["source"] == str(photos)


def test_a_dry_run_prints_the_recipe_and_queues_nothing(clf: Clf, home: Path) -> None:
    said = clf("enqueue", "two_stage", "--data", "digits", "--epochs", "11", "--dry-run")
    assert "head 1, finetune 10" in said.out
    assert "[schedule]" in said.out
    assert not (home / "clf.db").exists()


def test_seeds_queue_one_job_each(clf: Clf) -> None:
    clf("enqueue", "demo", "--seeds", "1,2,3")
    jobs = json.loads(clf("status", "--json").out)
    assert sorted(job["recipe"]["run"]["seed"] for job in jobs) == [1, 2, 3]


def test_several_recipes_at_once(clf: Clf) -> None:
    assert len(clf("enqueue", "demo", "two_stage", "--data", "digits").out.splitlines()) == 2


def test_the_table_over_a_pipe_is_not_cut(clf: Clf) -> None:
    name = "a-rather-long-name-that-a-narrow-table-would-have-to-cut-somewhere"
    clf("enqueue", "demo", "--name", name)
    table = clf("status").out
    assert name in table
    assert "\x1b" not in table


def test_status_of_an_empty_home_says_how_to_begin(clf: Clf, home: Path) -> None:
    said = clf("status")
    assert said.code == 0
    assert "clf enqueue" in said.out
    assert not home.exists()


def test_the_verbs_change_the_queue(clf: Clf) -> None:
    clf("enqueue", "demo", "--seeds", "1,2,3,4")
    clf("cancel", "1")
    clf("pause", "2")
    assert states(clf) == {1: "cancelled", 2: "paused", 3: "queued", 4: "queued"}
    clf("resume", "2")
    clf("retry", "1")
    assert set(states(clf).values()) == {"queued"}
    clf("move", "4", "--first")
    assert next(iter(states(clf))) == 4
    clf("priority", "3", "7")
    assert next(iter(states(clf))) == 3


def test_edit_and_duplicate_change_the_frozen_recipe(clf: Clf) -> None:
    clf("enqueue", "demo")
    clf("edit", "1", "--set", "optim.lr=0.125")
    clf("duplicate", "1", "--set", "run.epochs=3", "--name", "copy")
    one, two = sorted(json.loads(clf("status", "--json").out), key=lambda job: job["id"])
    assert one["recipe"]["optim"]["lr"] == two["recipe"]["optim"]["lr"] == 0.125
    assert (two["recipe"]["run"]["epochs"], two["name"]) == (3, "copy")


def test_the_editor_edits_the_recipe(clf: Clf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    editor = tmp_path / "editor.sh"
    editor.write_text('#!/bin/sh\nsed -i.bak "s/^epochs = .*/epochs = 5/" "$1"\n')
    editor.chmod(0o755)
    monkeypatch.setenv("VISUAL", str(editor))
    clf("enqueue", "demo")
    assert clf("edit", "1").out == "#1 changed\n"
    assert json.loads(clf("status", "--json").out)[0]["recipe"]["run"]["epochs"] == 5


def test_without_a_terminal_no_editor_is_started_that_was_not_asked_for(
    clf: Clf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.delenv("EDITOR", raising=False)
    clf("enqueue", "demo")
    refused = clf("edit", "1")
    assert (refused.code, refused.out) == (2, "")
    assert "no terminal" in refused.err
    assert "--set KEY=VALUE" in refused.err


def test_rm_removes_finished_jobs_only(clf: Clf) -> None:
    clf("enqueue", "demo", "--seeds", "1,2")
    assert clf("rm", "1", "--yes").code == 1
    clf("cancel", "1")
    assert clf("rm", "1", "--yes").code == 0
    assert states(clf) == {2: "queued"}


def test_wait_tells_the_outcome_by_its_exit_code(clf: Clf) -> None:
    clf("enqueue", "demo")
    clf("cancel", "1")
    said = clf("wait", "1")
    assert (said.code, said.out) == (1, "#1 cancelled\n")


def test_recipes_show_prints_the_merged_recipe(clf: Clf) -> None:
    out = clf("recipes", "show", "quick-test").out
    assert "samples = 100" in out
    assert "layer_decay = 1.0" in out


def test_a_recipe_of_ones_own_is_listed(clf: Clf) -> None:
    clf("recipes", "copy", "two_stage", "my-birds")
    table = clf("recipes").out
    assert "my_birds" in table
    assert "(own)" in table
    one, two = (clf("recipes", "show", name).out.splitlines() for name in ("two_stage", "my_birds"))
    assert [line for line in one if line not in two] == ['name = "two_stage"']


def test_a_description_is_shown_as_it_is_written(clf: Clf, home: Path) -> None:
    own = home / "recipes" / "odd.toml"
    own.parent.mkdir(parents=True)
    own.write_text("extends = 'demo'\ndescription = 'no [/] markup, [bold]no :cat:'\n")
    assert "no [/] markup, [bold]no :cat: (own)" in clf("recipes").out


@pytest.mark.parametrize("name", ["two_stage", "../mine", "a/b", "", ".hidden"])
def test_a_recipe_is_copied_to_a_new_plain_name_alone(clf: Clf, name: str) -> None:
    clf("recipes", "copy", "two_stage", "two_stage")
    said = clf("recipes", "copy", "two_stage", name)
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 2)
