"""Bad input: one clear line on stderr, the exit code of the manual, and nothing half-written."""

import os
from pathlib import Path

import pytest

from tests.cli.conftest import Clf


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("enqueue", "two_stagee"), 1, "no recipe named 'two_stagee'"),
        (("enqueue", "demo", "--set", "optim.lrr=1"), 2, "unknown key 'optim.lrr'"),
        (("enqueue", "demo", "--set", "optim.lr=-1"), 2, "optim.lr: input should be greater than 0, not -1"),
        (("enqueue", "demo", "--set", "optim.lr"), 2, "expected section.key=value"),
        (("enqueue", "demo", "--model", "resnet5O"), 1, "resnet5O"),
        (("enqueue", "demo", "--optimizer", "adamww"), 1, "did you mean 'adamw'?"),
        (("enqueue", "two_stage", "--set", "stages.head.optim.name=sdg"), 1, "no optimiser named 'sdg'"),
        (("enqueue", "demo", "--init-from", "99"), 1, "no job 99"),
        (("enqueue", "demo", "--init-from", "nowhere/best"), 1, "no file nowhere/best"),
        (("enqueue", "demo", "--init-from", "best.pt"), 1, "no file best.pt"),
        (("enqueue", "demo", "--data", "nowhere"), 1, "nowhere"),
        (("enqueue", "demo", "--weights", "none.safetensors"), 1, "no file"),
        (("enqueue", "demo", "--weights", "https://x.org/resnet.pth"), 1, "is an address"),
        (("enqueue", "demo", "--model", "hf_hub:someone/resnet-mine"), 1, "no model named"),
        (("enqueue", "two_stage", "--freeze-backbone"), 2, "cannot apply"),
        (("enqueue", "demo", "--device", "gpu"), 2, "run.device"),
        (("enqueue", "demo", "--seed", "1", "--seeds", "1,2"), 2, "contradict"),
        (("enqueue", "demo", "--not-before", "soon"), 2, "no time"),
        (("recipes", "show", "demo", "--set", "optim.lr=abc"), 2, "optim.lr"),
        (("recipes", "show", "demoo", "--set", "optim.lr=1"), 1, "no recipe named 'demoo'"),
        (("status", "99"), 3, "nothing was ever queued"),
        (("cancel", "99"), 3, "nothing was ever queued"),
        (("logs", "nothing"), 3, "nothing was ever queued"),
    ],
)
def test_bad_words_are_refused_in_two_lines(
    clf: Clf, home: Path, words: tuple[str, ...], code: int, message: str
) -> None:
    said = clf(*words)
    assert (said.code, said.out) == (code, "")
    assert message in said.err
    assert len(lines(said.err)) <= 2, said.err
    assert not (home / "clf.db").exists()


@pytest.mark.parametrize("words", [("enqueue", "demo", "--epochs", "0"), ("enqueue",), ("frobnicate",)])
def test_a_command_line_that_cannot_be_understood_exits_2(clf: Clf, words: tuple[str, ...]) -> None:
    assert clf(*words).code == 2


def test_unknown_jobs_exit_3_once_there_is_a_queue(clf: Clf) -> None:
    assert clf("enqueue", "demo").code == 0
    for words in (("status", "99"), ("cancel", "99"), ("logs", "99"), ("retry", "nobody")):
        said = clf(*words)
        assert said.code == 3, words
        assert len(lines(said.err)) <= 2


def test_a_start_from_another_job_is_queued_where_the_job_is_there_or_may_come(clf: Clf, tmp_path: Path) -> None:
    assert clf("enqueue", "demo", "--init-from", "phase_1").code == 0, "a job of that name may be queued later"
    assert clf("enqueue", "demo", "--init-from", "#1").code == 0
    assert clf("enqueue", "demo", "--name", "exp/1").code == 0
    assert clf("enqueue", "demo", "--init-from", "exp/1").code == 0, "names may hold what looks like a path"
    (tmp_path / "best.pt").touch()
    assert clf("enqueue", "demo", "--init-from", "best.pt").code == 0
    assert "no job 99" in clf("enqueue", "demo", "--init-from", "99").err


def test_an_unknown_model_and_recipe_offer_the_closest(clf: Clf) -> None:
    assert "did you mean 'resnet50'" in clf("enqueue", "demo", "--model", "resnet5O").err
    assert "did you mean 'two_stage'" in clf("enqueue", "two_stagee").err


def test_one_class_only_is_refused(clf: Clf, photos: Path) -> None:
    for file in (photos / "dark").iterdir():
        file.unlink()
    (photos / "dark").rmdir()
    said = clf("enqueue", "demo", "--data", str(photos))
    assert said.code == 1
    assert "one class" in said.err


def test_an_empty_folder_is_refused(clf: Clf, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    said = clf("enqueue", "demo", "--data", "empty")
    assert said.code == 1
    assert "empty" in said.err


@pytest.mark.skipif(os.name == "nt", reason="permissions of folders differ")
def test_an_unwritable_home_is_refused(clf: Clf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("CLF_HOME", str(tmp_path / "file" / "home"))
    said = clf("enqueue", "demo")
    assert said.code == 1
    assert "cannot write to" in said.err


def test_a_database_that_is_none_is_refused_and_left_alone(clf: Clf, home: Path) -> None:
    home.mkdir()
    (home / "clf.db").write_bytes(b"this is no database" * 100)
    for words in (("status",), ("enqueue", "demo")):
        said = clf(*words)
        assert said.code == 1, words
        assert len(lines(said.err)) <= 2
    assert (home / "clf.db").read_bytes() == b"this is no database" * 100
