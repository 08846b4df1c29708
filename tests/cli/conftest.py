"""A command line to type at: in this process for speed, with an empty home of its own."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from tui.cli import main


@dataclass(frozen=True)
class Said:
    """What a command left: exit code and both streams."""

    code: int
    out: str
    err: str


Clf = Callable[..., Said]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    monkeypatch.setenv("CLF_HOME", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def clf(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Clf:
    """`clf("enqueue", "demo")` as if typed; the streams are pipes."""
    del home

    def typed(*words: str) -> Said:
        monkeypatch.setattr("sys.argv", ["clf", *words])
        monkeypatch.setattr("sys.stdin", io.StringIO())  # nobody there to answer
        capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else (1 if end.code else 0)
        streams = capsys.readouterr()
        return Said(code, streams.out, streams.err)

    return typed


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two classes of twelve real PNG files."""
    for label, colour in (("dark", 40), ("light", 210)):
        folder = tmp_path / "photos" / label
        folder.mkdir(parents=True)
        for index in range(12):
            Image.new("RGB", (40, 32), (colour + index, colour, colour)).save(folder / f"{index}.png")
    return tmp_path / "photos"
