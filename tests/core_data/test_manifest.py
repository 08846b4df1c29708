"""Every layout becomes one manifest, and what cannot be trained on is said in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.manifest import Manifest, NotPreparedError, build_manifest, describe_source
from recipes.errors import DataError
from tests.core_data.conftest import data_of, manifest_of, write_folder, write_image


def files_of(manifest: Manifest, split: str) -> set[str]:
    return {manifest.paths[index] for index in manifest.indices(split)}


def test_given_splits_are_kept_as_they_are(tmp_path: Path) -> None:
    write_folder(tmp_path, {f"{split}/{name}": 4 for split in ("train", "val", "test") for name in ("a", "b")})
    manifest = manifest_of(tmp_path)
    assert manifest.classes == ("a", "b")
    assert manifest.counts() == {"train": 8, "val": 8, "test": 8}
    assert all(path.startswith(f"{split}/") for split in ("train", "val", "test") for path in files_of(manifest, split))
    assert [manifest.classes[label] for label in manifest.labels] == [path.split("/")[1] for path in manifest.paths]


def test_a_missing_val_is_split_off_train_and_never_off_test(tmp_path: Path) -> None:
    write_folder(tmp_path, {"train/a": 85, "train/b": 17, "test/a": 9, "test/b": 3})
    manifest = manifest_of(tmp_path)
    assert manifest.counts() == {"train": 84, "val": 15 + 3, "test": 12}
    assert all(path.startswith("train/") for path in files_of(manifest, "val"))
    assert all(path.startswith("test/") for path in files_of(manifest, "test"))


def test_a_lone_train_folder_gives_all_three_splits(tmp_path: Path) -> None:
    write_folder(tmp_path, {"train/a": 100, "train/b": 20})
    assert manifest_of(tmp_path).counts() == {"train": 84, "val": 18, "test": 18}


def test_a_missing_test_is_split_off_train_where_val_is_given(tmp_path: Path) -> None:
    write_folder(tmp_path, {"train/a": 85, "train/b": 17, "val/a": 2, "val/b": 2})
    assert manifest_of(tmp_path).counts() == {"train": 84, "val": 4, "test": 18}


def test_class_folders_are_split_by_the_shares(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a": 20, "b": 40})
    assert manifest_of(tmp_path).counts() == {"train": 42, "val": 9, "test": 9}
    assert manifest_of(tmp_path, splits=(0.5, 0.5, 0.0)).counts() == {"train": 30, "val": 30, "test": 0}


@pytest.mark.parametrize("names", [("train", "valid"), ("Train", "validation"), ("training", "VAL")])
def test_other_names_of_splits_are_understood(tmp_path: Path, names: tuple[str, str]) -> None:
    write_folder(tmp_path, {f"{names[0]}/{name}": 10 for name in "ab"} | {f"{names[1]}/{name}": 3 for name in "ab"})
    manifest = manifest_of(tmp_path)
    assert manifest.counts()["val"] == 6
    assert all(path.startswith(names[1]) for path in files_of(manifest, "val"))


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    write_folder(tmp_path, {"bus": 5, "car": 5, "train": 5})
    assert manifest_of(tmp_path).classes == ("bus", "car", "train")


def test_nested_folders_any_case_and_links_are_read_and_the_rest_is_ignored(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a": 2, "a/inner/deep": 2, "b": 4})
    write_image(tmp_path / "a" / "LOUD.JPG")
    write_image(tmp_path / "a" / ".hidden.png")
    write_image(tmp_path / "a" / ".cache" / "x.png")
    write_image(tmp_path / "__MACOSX" / "a.png")
    (tmp_path / "a" / "notes.txt").write_text("not an image")
    (tmp_path / "README.md").write_text("beside the classes")
    elsewhere = write_image(tmp_path.parent / f"{tmp_path.name}-elsewhere" / "z.png").parent
    (tmp_path / "b" / "linked").symlink_to(elsewhere)
    (tmp_path / "b" / "circle").symlink_to(tmp_path / "b")
    manifest = manifest_of(tmp_path)
    assert sorted(manifest.paths) == [
        "a/000.png",
        "a/001.png",
        "a/LOUD.JPG",
        "a/inner/deep/000.png",
        "a/inner/deep/001.png",
        *(f"b/00{number}.png" for number in range(4)),
        "b/linked/z.png",
    ]


def test_files_that_are_no_images_are_counted_by_their_extension(tmp_path: Path) -> None:
    write_folder(tmp_path, {f"{split}/{name}": 4 for split in ("train", "test") for name in "ab"})
    unread = ("train/a/1.heic", "train/a/in/2.HEIC", "train/b/3.heic", "test/a/4.heic", "test/b/x.mp4", "train/a/NOTES")
    unread += tuple(f"train/a/{letter}.{letter}" for letter in "pqrst")
    clutter = ("train/a/Thumbs.db", "train/b/desktop.ini", "train/b/.DS_Store")
    for name in unread + clutter:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    manifest = manifest_of(tmp_path)
    assert dict(manifest.others) == {".heic": 4, ".mp4": 1, "NOTES": 1, **{f".{letter}": 1 for letter in "pqrst"}}
    assert manifest.passed_over.startswith("4 .heic, 1 ")
    assert manifest.passed_over.endswith(" and 3 others")
    for name in unread:
        (tmp_path / name).unlink()
    clean = manifest_of(tmp_path)
    assert (clean.passed_over, clean.digest) == ("", manifest.digest)


def test_a_class_has_one_name_whichever_way_its_accents_are_written(tmp_path: Path) -> None:
    """macOS writes e + accent where Linux writes one letter; the path stays as it is on disk."""
    decomposed, composed = "cafe\u0301", "caf\u00e9"
    write_folder(tmp_path, {f"train/{decomposed}": 3, "train/tea": 3, f"test/{composed}": 2, "test/tea": 2})
    manifest = manifest_of(tmp_path)
    assert manifest.classes == (composed, "tea")
    assert all((tmp_path / path).is_file() for path in manifest.paths)


def test_a_foreign_folder_beside_the_splits_is_no_class(tmp_path: Path) -> None:
    write_folder(tmp_path, {"train/a": 9, "train/b": 9, "annotations/x": 1})
    assert manifest_of(tmp_path).classes == ("a", "b")


def test_the_same_folder_gives_the_same_manifest_and_another_seed_another_split(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a": 30, "b": 30})
    first, again, other = manifest_of(tmp_path), manifest_of(tmp_path), manifest_of(tmp_path, seed=1)
    assert first == again
    assert first.digest == again.digest
    assert files_of(first, "test") != files_of(other, "test")
    assert first.digest != other.digest


def test_a_copied_folder_has_the_same_digest(tmp_path: Path) -> None:
    """The place on disk and the order in which files were made do not count."""
    counts = {"a": 9, "b": 7}
    one = write_folder(tmp_path / "one", counts)
    two = tmp_path / "two"
    for path in sorted(one.rglob("*.png"), reverse=True):
        target = two / path.relative_to(one)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    assert manifest_of(one).digest == manifest_of(two).digest


@pytest.mark.parametrize("change", ["size", "name", "class", "more"])
def test_the_digest_sees_every_change(tmp_path: Path, change: str) -> None:
    write_folder(tmp_path, {"a": 6, "b": 6})
    before = manifest_of(tmp_path).digest
    victim = tmp_path / "a" / "003.png"
    if change == "size":
        victim.write_bytes(victim.read_bytes() + b" ")
    elif change == "name":
        victim.rename(tmp_path / "a" / "999.png")
    elif change == "class":
        (tmp_path / "b").rename(tmp_path / "c")
    else:
        write_image(tmp_path / "b" / "new.png")
    assert manifest_of(tmp_path).digest != before


def test_train_fraction_takes_the_same_share_of_every_class_and_leaves_evaluation_alone(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a": 100, "b": 20})
    whole, part = manifest_of(tmp_path), manifest_of(tmp_path, train_fraction=0.2)
    trained = [part.labels[index] for index in part.indices("train")]
    assert [trained.count(0), trained.count(1)] == [14, 3]
    assert files_of(part, "train") < files_of(whole, "train")
    assert files_of(part, "val") == files_of(whole, "val")
    assert files_of(part, "test") == files_of(whole, "test")


def test_development_mode_spreads_few_images_over_all_classes_in_every_split(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a": 60, "b": 60, "c": 8})
    small = manifest_of(tmp_path, samples=14)
    assert small.counts() == {"train": 14, "val": 14, "test": 14}
    trained = [small.labels[index] for index in small.indices("train")]
    assert sorted(trained.count(label) for label in range(3)) == [4, 5, 5]
    assert files_of(small, "train") < files_of(manifest_of(tmp_path), "train")


def test_development_mode_with_fewer_images_than_classes_keeps_every_class_name(tmp_path: Path) -> None:
    write_folder(tmp_path, dict.fromkeys("abcdef", 5))
    small = manifest_of(tmp_path, samples=2)
    assert small.classes == tuple("abcdef")
    assert small.counts()["train"] == 2
    train, val = ({small.labels[index] for index in small.indices(split)} for split in ("train", "val"))
    assert len(train) == 2
    assert train == val


def broken(tmp_path: Path, kind: str) -> Path:
    root = tmp_path / "data"
    layouts: dict[str, dict[str, int]] = {
        "one class": {"a": 5},
        "empty class": {"a": 5, "b": 5, "c": 0},
        "val class": {"train/rose": 5, "train/oak": 5, "val/rose": 2, "val/rsoe": 2},
        "no train": {"val/a": 5, "test/a": 5},
        "two vals": {"train/a": 5, "train/b": 5, "val/a": 1, "valid/a": 1},
        "same class": {"Rose": 5, "rose": 5},
        "single image": {"a": 5, "b": 1},
        "unpacked": {"photos/a": 5, "photos/b": 5},
    }
    root.mkdir()
    write_folder(root, layouts.get(kind, {}))
    if kind == "missing":
        return tmp_path / "nowhere"
    if kind == "misspelt":
        return tmp_path / "dtaa"
    if kind == "file":
        return write_image(tmp_path / "one.png")
    if kind == "side by side":
        write_image(root / "x.png")
    if kind == "train side by side":
        write_image(root / "train" / "x.png")
    if kind == "no images":
        for name in "ab":
            (root / name).mkdir()
            (root / name / "x.heic").write_bytes(b"x")
    return root


@pytest.mark.parametrize(
    ("kind", "message", "hint"),
    [
        ("missing", "no folder", "--data"),
        ("misspelt", "no folder", "did you mean 'data'?"),
        ("unpacked", "only one class, 'photos'", "data/photos"),
        ("file", "is a file", "folder"),
        ("empty", "no folder per class", "one folder of images per class"),
        ("side by side", "no folder per class", "1 images lie side by side"),
        ("train side by side", "no folder per class", "one folder per class"),
        ("one class", "only one class, 'a'", "two or more"),
        ("empty class", "c holds no images", "remove the folder"),
        ("no images", "holds no images", "1 .heic file"),
        ("val class", "class 'rsoe' is in val but not in train", "did you mean 'rose'?"),
        ("no train", "no train/", "add train/"),
        ("two vals", "has both val/ and valid/", "keep one folder for val"),
        ("same class", "two folders for one class", "merge"),
        ("single image", "class 'b' has 1 image", "add images"),
    ],
)
def test_what_cannot_be_trained_on_is_said_in_one_line(tmp_path: Path, kind: str, message: str, hint: str) -> None:
    with pytest.raises(DataError) as caught:
        manifest_of(broken(tmp_path, kind))
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert "\n" not in caught.value.message + caught.value.hint


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_an_error_and_not_an_empty_class(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a": 3, "b": 3})
    (tmp_path / "b").chmod(0)
    try:
        with pytest.raises(DataError, match="cannot read"):
            manifest_of(tmp_path)
    finally:
        (tmp_path / "b").chmod(0o755)


def test_a_misspelt_name_offers_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        describe_source(data_of("digit"), tmp_path)
    assert caught.value.hint == "did you mean 'digits'?"


def test_a_set_that_clf_brings_is_known_before_it_is_there(tmp_path: Path) -> None:
    source = describe_source(data_of("digits"), tmp_path)
    assert (source.ready, source.classes, source.images) == (False, 10, 1797)
    assert not describe_source(data_of("food-101"), tmp_path).ready
    with pytest.raises(NotPreparedError):
        build_manifest(data_of("digits"), 0, tmp_path)


def test_food101_keeps_its_official_test_split(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "food-101", {"images/pie": 9, "images/ramen": 9}, ".jpg")
    lists = {"train": range(6), "test": range(6, 9)}
    (root / "meta").mkdir()
    for split, numbers in lists.items():
        lines = [f"{name}/{number:03d}" for name in ("pie", "ramen") for number in numbers]
        (root / "meta" / f"{split}.txt").write_text("\n".join(lines))
    by_name = build_manifest(data_of("food-101"), 0, tmp_path)
    assert by_name.counts() == {"train": 10, "val": 2, "test": 6}
    assert files_of(by_name, "test") == {f"images/{name}/00{n}.jpg" for name in ("pie", "ramen") for n in (6, 7, 8)}
    assert build_manifest(data_of(root), 0, tmp_path / "other") == by_name
    (root / "images" / "pie" / "003.jpg").unlink()
    with pytest.raises(DataError, match=r"incomplete: images/pie/003\.jpg is missing"):
        build_manifest(data_of("food-101"), 0, tmp_path)


def test_reading_a_manifest_loads_neither_torch_nor_numpy() -> None:
    program = "import sys, core.manifest; print({'torch', 'numpy', 'PIL', 'cv2', 'sklearn'} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "set()"
