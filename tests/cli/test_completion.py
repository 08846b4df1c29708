"""TAB: what is offered where, in the real shells; ids are live, and nothing heavy is loaded for them."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Clf
from tui.commands.completion import SCRIPTS, Shell, write
from tui.commands.program import commands
from tui.completing import FILES, JOBS, RECIPES, VALUES, candidates


def offered(line: str) -> list[str]:
    """What may follow `line`, whose last word is unfinished."""
    return [value for value, _ in candidates(line.split(" "))]


@pytest.fixture
def three_jobs(clf: Clf) -> None:
    """#1 queued, #2 cancelled, #3 paused and named."""
    clf("enqueue", "demo", "--seeds", "1,2")
    clf("enqueue", "demo", "--paused", "--name", "night")
    clf("cancel", "2")


@pytest.mark.usefixtures("three_jobs")
@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("show ", ["3", "2", "1"]),
        ("show n", ["night"]),
        ("show la", ["last"]),
        ("show 1 ", []),
        ("cancel ", ["3", "1"]),
        ("cancel 3 ", ["1"]),
        ("retry ", ["2"]),
        ("resume ", ["3"]),
        ("rm ", ["2"]),
        ("enqueue demo --after 2,", ["2,3", "2,2", "2,1"]),
        ("enqueue two", ["two_stage"]),
        ("enqueue two-", ["two-stage"]),
        ("recipes show demo --se", ["--set"]),
        ("predict ", [FILES]),  # none of the jobs has ended well
        ("predict 2 x", [FILES]),
        ("recipes ", ["show", "copy"]),
        ("worker st", ["status", "stop"]),
        ("enqueue demo --batch", ["--batch-size"]),
        ("enqueue demo --data d", ["digits"]),
        ("enqueue demo --data=d", ["--data=digits"]),
        ("enqueue demo --set optim.mom", ["optim.momentum="]),
        ("enqueue demo --weights x", [FILES]),
        ("enqueue demo --name x", []),
        ("prio", ["priority"]),
    ],
)
def test_what_may_stand_here(line: str, values: list[str]) -> None:
    assert offered(line) == values


@pytest.mark.usefixtures("three_jobs")
def test_another_home_is_heeded(tmp_path: Path) -> None:
    assert offered(f"--home {tmp_path / 'elsewhere'} show ") == []


def test_nothing_is_offered_where_there_is_no_queue(home: Path) -> None:
    assert offered("show ") == []
    assert not home.exists()


def _arguments(command: Any, name: str) -> list[tuple[str, str]]:
    """(verb, metavar) of every first argument below `command`."""
    found = [(name, each.metavar) for each in command.params if each.param_type_name == "argument"][:1]
    for word, below in getattr(command, "commands", {}).items():
        found += _arguments(below, f"{name} {word}".strip())
    return found


def test_every_verb_that_takes_a_job_or_a_recipe_offers_them() -> None:
    arguments = _arguments(commands(""), "")
    assert {verb for verb, metavar in arguments if metavar in ("ID", "JOB|FILE")} == set(JOBS)
    assert {verb for verb, metavar in arguments if metavar == "RECIPE"} == set(RECIPES)


def test_every_option_with_offers_exists() -> None:
    there = {name for command in commands("").commands.values() for each in command.params for name in each.opts}
    assert set(VALUES) <= there


PROGRAM = f'#!/bin/sh\nexec {sys.executable} -m tui.cli "$@"\n'


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`clf` on the path of a shell, and a home directory of the shell's own."""
    program = tmp_path / "bin" / "clf"
    program.parent.mkdir()
    program.write_text(PROGRAM)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.setenv("HOME", str(tmp_path / "person"))
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "ZDOTDIR"):
        monkeypatch.delenv(name, raising=False)


def said_by(shell: str, *words: str) -> list[str]:
    done = subprocess.run([shell, *words], capture_output=True, text=True, check=True, timeout=120)
    assert done.stderr == ""
    return done.stdout.splitlines()


def installed(shell: Shell) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} on this machine")
    first = write(shell)
    assert all(file.is_file() for file in first)
    texts = [file.read_text() for file in first]
    write(shell)
    assert [file.read_text() for file in first] == texts, "installing again changes nothing"


@pytest.mark.usefixtures("three_jobs", "path")
def test_bash_completes_ids_and_values_that_bash_itself_breaks_in_two() -> None:
    installed(Shell.BASH)
    asking = """
source ~/.bashrc
type() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _clf clf; echo "${COMPREPLY[*]}"; }
type clf show ''
type clf enqueue demo --data = di
type clf enqueue demo --device cuda : ''
type clf enqueue demo --weights ''
complete -p clf
"""
    ids, data, device, files, how = said_by("bash", "--norc", "-c", asking)
    assert (ids, data, device, files) == ("3 2 1", "digits", "0 1", "")
    assert "-o default" in how, "files are bash's own to complete"


@pytest.mark.usefixtures("three_jobs", "path")
def test_fish_completes_ids_with_what_they_are() -> None:
    installed(Shell.FISH)
    assert said_by("fish", "-c", "complete -C 'clf show '") == [
        "3\tnight, paused",
        "2\tdemo-s2, cancelled",
        "1\tdemo-s1, queued",
    ]


@pytest.mark.usefixtures("three_jobs", "path")
def test_zsh_completes_ids_with_what_they_are() -> None:
    installed(Shell.ZSH)
    show = "compadd() { print -rl -- $values $displays }"
    said = said_by("zsh", "-f", "-c", f"source ~/.zshrc; {show}; words=(clf show '') CURRENT=3; _clf")
    assert said[:3] == ["3", "2", "1"]
    assert said[3] == "3  -- night, paused"


@pytest.mark.parametrize("shell", list(Shell))
def test_the_script_is_printed_where_it_is_not_installed(clf: Clf, shell: Shell) -> None:
    assert clf("completion", shell).out == SCRIPTS[shell]


def test_a_shell_without_completion_is_named(clf: Clf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    said = clf("completion", "--install")
    assert said.code == 2
    assert "tcsh" in said.err
