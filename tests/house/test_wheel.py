"""What is shipped: the five rooms with their data files, and a `clf` that starts."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = {"core", "db", "jobs", "recipes", "tui"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_exactly_the_five_rooms(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == ROOMS


def test_the_files_that_are_not_python_came_along(wheel: Path) -> None:
    shipped = set(zipfile.ZipFile(wheel).namelist())
    tracked = subprocess.run(["git", "ls-files", *sorted(ROOMS)], cwd=ROOT, capture_output=True, text=True, check=True)
    data = {name for name in tracked.stdout.split() if not name.endswith((".py", ".md"))}
    assert {Path(name).suffix for name in data} >= {".toml", ".tcss", ".html"}
    assert any(name.startswith("db/migrations/") for name in shipped)
    assert data <= shipped


def test_an_installed_wheel_starts_in_a_clean_environment(wheel: Path, tmp_path: Path) -> None:
    """Dependencies are lent by path (installing them again would take minutes); clf itself comes from the wheel."""
    target = tmp_path / "environment"
    venv.create(target, with_pip=False)
    python = target / ("Scripts" if os.name == "nt" else "bin") / "python"
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "--python",
            str(python),
            "install",
            "--quiet",
            "--no-deps",
            "--no-index",
            str(wheel),
        ],
        check=True,
        capture_output=True,
    )
    site = Path(
        subprocess.check_output([python, "-c", "import site; print(site.getsitepackages()[0])"], text=True).strip()
    )
    libraries = [
        str(path) for path in Path(sysconfig.get_path("purelib")).iterdir() if not path.name.startswith(("clf-", "_"))
    ]
    for library in libraries:  # links, so that the editable install of this checkout is not on the path
        link = site / Path(library).name
        if not link.exists() and link.suffix != ".pth":
            link.symlink_to(library)
    done = subprocess.run(
        [python.parent / "clf", "--version"], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert done.stdout.startswith("clf ")
    where = subprocess.check_output(
        [python, "-P", "-c", "import recipes; print(recipes.__file__)"], text=True, cwd=tmp_path
    )
    assert Path(where.strip()).is_relative_to(target)
    listed = subprocess.run(
        [python.parent / "clf", "--home", str(tmp_path / "home"), "recipes"], capture_output=True, text=True, check=True
    )
    assert "two_stage" in listed.stdout
