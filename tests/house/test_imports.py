"""The rooms stay apart, and looking at the queue stays light."""

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import typer

from tui.commands.verbs import ROOMS

ROOT = Path(__file__).parents[2]

SPY = """
import json, sys
sys.argv = ["clf", *{arguments!r}]
from tui.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print("\\n" + json.dumps(sorted(sys.modules)))
"""

HEAVY = {"torch", "torchvision", "timm", "albumentations", "textual", "matplotlib", "sklearn", "scipy", "cv2"}
ORM = {"sqlmodel", "sqlalchemy", "alembic"}


def loaded_by(home: Path, *arguments: str, **environment: str) -> set[str]:
    """The top-level modules that `clf ARGUMENTS` loads, in an interpreter of its own."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", SPY.format(arguments=list(arguments))],
        env={**os.environ, "CLF_HOME": str(home), **environment},
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {name.split(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, set[str]]:
    """A home with a queued job, and what the first `clf enqueue`, which created it, loaded."""
    home = tmp_path_factory.mktemp("home")
    return home, loaded_by(home, "enqueue", "demo")


@pytest.fixture
def home(first: tuple[Path, set[str]]) -> Path:
    return first[0]


def test_enqueue_loads_no_torch_and_no_screen(first: tuple[Path, set[str]]) -> None:
    assert not first[1] & HEAVY


def test_enqueue_loads_no_orm_once_there_is_a_queue(home: Path) -> None:
    """Importing it took more than half of the command's time."""
    assert not loaded_by(home, "enqueue", "demo") & (HEAVY | ORM | {"psutil"})


def test_a_bare_status_loads_no_parser_of_arguments(home: Path) -> None:
    assert "pydantic" not in loaded_by(home, "status")


@pytest.mark.parametrize("room", ROOMS)
def test_every_verb_is_known_by_its_room(room: str) -> None:
    """A verb that is missing from the table would be unknown to `clf`."""
    app = typer.Typer()
    import_module(f"tui.commands.{room}").register(app)
    names = [each.name or getattr(each.callback, "__name__", "") for each in app.registered_commands]
    assert set(ROOMS[room]) == {*names, *(str(each.name) for each in app.registered_groups)}


@pytest.mark.parametrize("command", [("status",), ("status", "--json"), ("show", "1"), ("logs", "1")])
def test_looking_loads_neither_torch_nor_the_orm(home: Path, command: tuple[str, ...]) -> None:
    assert not loaded_by(home, *command) & (HEAVY | ORM)


def test_help_and_version_load_nothing_heavy(tmp_path: Path) -> None:
    assert not loaded_by(tmp_path, "--version") & (HEAVY | ORM)
    assert not loaded_by(tmp_path, "enqueue", "--help") & (HEAVY | ORM)


def test_shell_completion_loads_nothing_heavy(home: Path) -> None:
    assert not loaded_by(home, "enqueue", "demo", "--", _CLF_COMPLETE="bash") & (HEAVY | ORM)
    assert not loaded_by(home, "show", "", _CLF_COMPLETE="bash") & (HEAVY | ORM | {"typer", "pydantic", "rich"})


def test_the_import_contracts_hold() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
