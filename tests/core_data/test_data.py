"""Data sets arrive whole or not at all, and every unreadable image is named before the first step."""

from __future__ import annotations

import functools
import hashlib
import os
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from torchvision.datasets import Food101

from core.data import SHOWN, check_images, ensure_data
from core.events import Preparing
from core.manifest import build_manifest
from recipes.errors import DataError
from tests.core_data.conftest import data_of, manifest_of, write_folder


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    datasets = tmp_path_factory.mktemp("datasets")
    events = list(ensure_data(data_of("digits"), datasets))
    assert events[-1] == Preparing("exporting digits", 1797, 1797)
    return datasets


def test_digits_are_the_images_of_scikit_learn(digits: Path) -> None:
    manifest = build_manifest(data_of("digits"), 0, digits)
    assert manifest.classes == tuple("0123456789")
    assert sum(manifest.counts().values()) == 1797
    original = load_digits()
    for path, label in list(zip(manifest.paths, manifest.labels, strict=True))[::50]:
        number = int(Path(path).stem)
        assert original.target[number] == label
        pixels = np.asarray(Image.open(manifest.root / path)).astype(float)
        assert np.abs(pixels * 16 / 255 - original.images[number]).max() < 0.04


def test_digits_are_exported_once(digits: Path) -> None:
    assert list(ensure_data(data_of("digits"), digits)) == []
    assert [path.name for path in digits.iterdir()] == ["digits"]


def test_a_half_made_export_is_never_taken_for_the_data_set(tmp_path: Path) -> None:
    (tmp_path / ".digits.part-1" / "0").mkdir(parents=True)
    assert sum(1 for _ in ensure_data(data_of("digits"), tmp_path)) == 2
    assert sum(build_manifest(data_of("digits"), 0, tmp_path).counts().values()) == 1797


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A tiny food-101.tar.gz behind a web server of this machine, and torchvision pointed at it."""
    served = tmp_path / "served"
    inside = write_folder(served / "food-101", {"images/pie": 6, "images/ramen": 6}, ".jpg")
    (inside / "meta").mkdir()
    for split, numbers in (("train", range(4)), ("test", range(4, 6))):
        names = {name: [f"{name}/{number:03d}" for number in numbers] for name in ("pie", "ramen")}
        (inside / "meta" / f"{split}.txt").write_text("\n".join([*names["pie"], *names["ramen"]]))
        (inside / "meta" / f"{split}.json").write_text(str(names).replace("'", '"'))
    path = served / "food-101.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.add(inside, "food-101")
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(served)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setattr(Food101, "_URL", f"http://127.0.0.1:{server.server_port}/food-101.tar.gz")
    monkeypatch.setattr(Food101, "_MD5", hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest())
    yield path
    server.shutdown()
    server.server_close()
    thread.join()


def test_food101_is_downloaded_unpacked_and_the_archive_removed(archive: Path, tmp_path: Path) -> None:
    datasets = tmp_path / "datasets"
    events = list(ensure_data(data_of("food-101"), datasets))
    assert all(isinstance(event, Preparing) and event.done <= event.total for event in events)
    assert events
    manifest = build_manifest(data_of("food-101"), 0, datasets)
    assert manifest.counts() == {"train": 6, "val": 2, "test": 4}
    assert [path.name for path in datasets.iterdir()] == ["food-101"]
    archive.unlink()
    assert list(ensure_data(data_of("food-101"), datasets)) == []


def test_a_damaged_archive_is_refused_and_the_next_try_starts_afresh(archive: Path, tmp_path: Path) -> None:
    datasets, whole = tmp_path / "datasets", archive.read_bytes()
    archive.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="food-101 could not be downloaded"):
        list(ensure_data(data_of("food-101"), datasets))
    assert not (datasets / "food-101").exists()
    archive.write_bytes(whole)
    list(ensure_data(data_of("food-101"), datasets))
    assert build_manifest(data_of("food-101"), 0, datasets).counts()["test"] == 4


def test_without_a_network_the_error_names_both_ways_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Food101, "_URL", "http://127.0.0.1:9/food-101.tar.gz")
    with pytest.raises(DataError) as caught:
        list(ensure_data(data_of("food-101"), tmp_path / "datasets"))
    assert "refused" in caught.value.message
    assert f"{tmp_path / 'datasets' / 'food-101'}/images" in caught.value.hint
    assert "--data" in caught.value.hint
    assert "\n" not in caught.value.message + caught.value.hint


def test_a_folder_needs_nothing(tmp_path: Path) -> None:
    assert list(ensure_data(data_of(tmp_path), tmp_path / "datasets")) == []
    assert not (tmp_path / "datasets").exists()


def test_good_images_pass_and_the_last_event_says_that_all_are_done(pictures: Path) -> None:
    assert list(check_images(manifest_of(pictures), 2))[-1] == Preparing("checking images", 34, 34)


def test_unreadable_images_are_named_the_first_ten_and_a_count(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a": 20, "b": 20})
    for number in range(13):
        (tmp_path / "a" / f"{number:03d}.png").write_bytes(b"broken")
    with pytest.raises(DataError) as caught:
        list(check_images(manifest_of(tmp_path), 2))
    assert caught.value.message.startswith("13 of 40 images cannot be read: a/000.png (not an image), a/001.png")
    assert caught.value.message.count("(not an image)") == SHOWN
    assert caught.value.message.endswith("and 3 more")
    assert "\n" not in caught.value.message


def test_a_file_that_vanished_and_a_dangling_link_are_unreadable_images(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a": 5, "b": 5})
    (tmp_path / "a" / "link.png").symlink_to(tmp_path / "nowhere.png")
    manifest = manifest_of(tmp_path)
    (tmp_path / "b" / "002.png").unlink()
    with pytest.raises(DataError, match="2 of 11 images cannot be read: a/link.png .No such file"):
        list(check_images(manifest, 1))


def test_what_was_read_once_is_not_read_again_until_it_changes(tmp_path: Path) -> None:
    root, cache = write_folder(tmp_path / "data", {"a": 5, "b": 5}), tmp_path / "cache"
    manifest = manifest_of(root)
    list(check_images(manifest, 1, cache))
    victim = root / "a" / "002.png"
    stamp = victim.stat()
    victim.write_bytes(b"x" * stamp.st_size)
    os.utime(victim, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))  # as if it had not changed: it is not opened
    list(check_images(manifest, 1, cache))
    os.utime(victim)
    with pytest.raises(DataError, match=r"a/002\.png"):
        list(check_images(manifest, 1, cache))
    with pytest.raises(DataError, match=r"1 of 10"):
        list(check_images(manifest, 1, cache))


@pytest.mark.parametrize("damage", [b"\xff\xfe nonsense", b"", b"1 2\n"])
def test_a_damaged_memory_only_costs_a_second_look(tmp_path: Path, damage: bytes) -> None:
    root, cache = write_folder(tmp_path / "data", {"a": 5, "b": 5}), tmp_path / "cache"
    list(check_images(manifest_of(root), 1, cache))
    (memory,) = cache.iterdir()
    good = memory.read_bytes()
    memory.write_bytes(damage)
    list(check_images(manifest_of(root), 1, cache))
    assert memory.read_bytes() == good


def test_making_data_ready_loads_no_torch() -> None:
    program = "import sys, core.data; print({'torch', 'albumentations', 'sklearn'} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "set()"
