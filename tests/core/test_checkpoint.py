"""Checkpoints: whole or not there, and never silently wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from core.checkpoint import LAST, PREVIOUS, DamagedCheckpointError, load, load_last, save, save_last

CONTENT: dict[str, Any] = {"weights": {"a": torch.arange(6.0)}, "plain": [1, 2.5, "three", None, True, {"x": (1, 2)}]}


def test_what_was_saved_is_loaded_by_clf_and_by_plain_torch(tmp_path: Path) -> None:
    save(CONTENT, tmp_path / "x.pt")
    for loaded in (load(tmp_path / "x.pt"), torch.load(tmp_path / "x.pt", weights_only=True)):
        assert torch.equal(loaded["weights"]["a"], CONTENT["weights"]["a"])
        assert loaded["plain"] == CONTENT["plain"]


def test_a_flipped_byte_at_any_place_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    save(CONTENT, path)
    good = path.read_bytes()
    for place in range(len(good)):
        path.write_bytes(good[:place] + bytes([good[place] ^ 0x40]) + good[place + 1 :])
        with pytest.raises(DamagedCheckpointError):
            load(path)


def test_a_cut_at_any_place_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    save(CONTENT, path)
    good = path.read_bytes()
    for length in range(len(good)):
        path.write_bytes(good[:length])
        with pytest.raises(DamagedCheckpointError):
            load(path)


def test_the_one_before_is_used_when_the_last_is_damaged_and_that_is_said(tmp_path: Path) -> None:
    save_last({"step": 1}, tmp_path)
    save_last({"step": 2}, tmp_path)
    assert load_last(tmp_path) == ({"step": 2}, None)
    (tmp_path / LAST).write_bytes((tmp_path / LAST).read_bytes()[:-1])
    content, trouble = load_last(tmp_path)
    assert content == {"step": 1}
    assert trouble is not None
    assert "damaged" in trouble


def test_a_run_begins_anew_when_both_are_damaged(tmp_path: Path) -> None:
    save_last({"step": 1}, tmp_path)
    save_last({"step": 2}, tmp_path)
    for name in (LAST, PREVIOUS):
        (tmp_path / name).write_bytes(b"nothing")
    content, trouble = load_last(tmp_path)
    assert content is None
    assert trouble is not None


NO_ROOM = """
import resource, sys
from pathlib import Path
import torch
from core.checkpoint import save_last
from recipes.errors import DiskFullError
folder = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    save_last({"step": 2, "large": torch.zeros(1_000_000)}, folder)
except DiskFullError as error:
    print("full:", error.message, "/", error.hint)
"""


def test_without_room_the_old_file_stays_and_nothing_half_written_is_left(tmp_path: Path) -> None:
    save_last({"step": 1}, tmp_path)
    ended = subprocess.run(
        [sys.executable, "-c", NO_ROOM, str(tmp_path)], capture_output=True, text=True, check=True, timeout=120
    )
    assert ended.stdout.startswith("full: no room to write")
    assert load_last(tmp_path) == ({"step": 1}, None)
    assert [path.name for path in tmp_path.iterdir()] == [LAST]


KILLED = """
import sys
from pathlib import Path
import torch
from core.checkpoint import save_last
print("ready", flush=True)
step = 1
while True:
    step += 1
    save_last({"step": step, "weights": torch.full((50_000,), float(step))}, Path(sys.argv[1]))
"""


def test_a_process_killed_while_saving_leaves_a_whole_checkpoint(tmp_path: Path) -> None:
    save_last({"step": 1, "weights": torch.ones(50_000)}, tmp_path)
    for _ in range(3):
        with subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE) as saver:
            assert saver.stdout is not None
            saver.stdout.readline()
            seen = load_last(tmp_path)[0]
            while (now := load_last(tmp_path)[0]) is not None and seen is not None and now["step"] == seen["step"]:
                pass
            saver.kill()
        content, trouble = load_last(tmp_path)
        assert trouble is None
        assert content is not None
        assert content["weights"].eq(content["step"]).all()
