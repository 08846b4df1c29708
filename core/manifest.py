"""The one list every part of clf trains from: path, label and split of each image, and the class names.

Read without torch and without opening an image, so that a job can be checked while it is queued.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from core.folders import Classes, Folder, ImageFile, read_folder
from core.splits import SPLITS, complete, fraction, shuffled, spread
from recipes.errors import DataError, closest
from recipes.sections import Data

DIGITS_IMAGES = 1_797
FOOD101_IMAGES = 101_000
SHOWN_EXTENSIONS = 5


class NotPreparedError(DataError):
    """A data set that clf can fetch or make by itself, but that is not on disk yet; `ensure_data` mends it."""


@dataclass(frozen=True)
class Manifest:
    """Images of all splits. Entry i is (paths[i], labels[i], splits[i]); indices into it name images everywhere."""

    root: Path
    classes: tuple[str, ...]
    paths: tuple[str, ...]  # relative to root, with "/"
    labels: tuple[int, ...]  # index into classes
    splits: tuple[str, ...]  # "train", "val" or "test"
    sizes: tuple[int, ...] = ()  # bytes of each file; empty where the manifest was not read from a folder
    others: tuple[tuple[str, int], ...] = ()  # files beside the images, passed over: extension and how many, most first

    def indices(self, split: str) -> list[int]:
        """The entries of a split, in the manifest's order."""
        return [index for index, name in enumerate(self.splits) if name == split]

    def counts(self) -> dict[str, int]:
        """Number of images of each split, 0 included."""
        found = Counter(self.splits)
        return {split: found[split] for split in SPLITS}

    @property
    def passed_over(self) -> str:
        """The files in class folders that are no images clf reads, as ``12 .heic, 3 .txt``; empty where all are."""
        named = ", ".join(f"{count:,} {extension}" for extension, count in self.others[:SHOWN_EXTENSIONS])
        more = sum(count for _, count in self.others[SHOWN_EXTENSIONS:])
        return named + (f" and {more:,} others" if more else "")

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of class names, paths, labels, splits and file sizes: equal data, equal digest."""
        digest = hashlib.sha256()
        digest.update("\0".join(self.classes).encode("utf-8", "surrogateescape"))
        sizes = self.sizes or (0,) * len(self.paths)
        for path, label, split, size in zip(self.paths, self.labels, self.splits, sizes, strict=True):
            digest.update(f"\n{path}\0{label}\0{split}\0{size}".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()


@dataclass(frozen=True)
class Source:
    """What ``data.source`` names. `ready` is False while a set that clf brings along is not on disk yet."""

    kind: Literal["folder", "digits", "food-101"]
    root: Path
    ready: bool
    classes: int | None = None  # known beforehand for digits and food-101
    images: int | None = None


def describe_source(data: Data, datasets: Path) -> Source:
    """What ``data.source`` stands for, without reading it: a name, else a folder; DataError when there is no such.

    For a job being queued: `build_manifest` when `ready`, else nothing more can be known before it runs.
    """
    name = data.source.strip().lower()
    if name == "digits":
        root = datasets / "digits"
        return Source("digits", root, root.is_dir(), 10, DIGITS_IMAGES)
    if name in {"food-101", "food101", "food_101"}:
        root = datasets / "food-101"
        return Source("food-101", root, (root / "meta").is_dir() and (root / "images").is_dir(), 101, FOOD101_IMAGES)
    root = Path(data.source).expanduser().absolute()
    if not root.exists() and "/" not in data.source and "\\" not in data.source:
        hint = closest(name, ["digits", "food-101"]) or "give a folder of images, `digits` or `food-101`"
        raise DataError(f"no folder {root} and no data set named '{data.source}'", hint)
    return Source("folder", root, True)


def build_manifest(data: Data, seed: int, datasets: Path) -> Manifest:
    """The manifest of ``data.source``: classes sorted by name, images by class and path.

    Missing splits are made as `core.splits.complete` says. ``train_fraction`` keeps that share of every class of the
    training split. ``samples`` (development mode) keeps at most that many images of every split, so that validation
    and test are as quick as training. Raises NotPreparedError before `ensure_data` has run, and DataError, in one
    line with a hint, for data that cannot be trained on. Depends on names, sizes and `seed` alone.
    """
    source = describe_source(data, datasets)
    if not source.ready:
        raise NotPreparedError(
            f"{source.kind} is not in {source.root} yet", "a job fetches it when it starts; so does `clf run`"
        )
    folder = _read(source.root)
    given = folder.splits
    _check(given, source.root)
    splits = complete(given, data.splits, seed)
    splits = {name: _drawn(classes, seed) for name, classes in splits.items()}
    splits["train"] = fraction(splits["train"], data.train_fraction)
    if data.samples is not None:
        splits = {name: spread(classes, data.samples, seed) for name, classes in splits.items()}
    return _assemble(source.root, splits, folder.others)


def _drawn(classes: Classes, seed: int) -> Classes:
    return {name: shuffled(images, seed, name) for name, images in classes.items()}


def _read(root: Path) -> Folder:
    if (root / "meta" / "train.txt").is_file() and (root / "images").is_dir():
        return _read_food101(root)
    return read_folder(root)


def _read_food101(root: Path) -> Folder:
    """Food-101's own layout: ``images/<class>/<id>.jpg`` and the lists ``meta/train.txt``, ``meta/test.txt``."""
    folder = read_folder(root / "images")
    images = {image.path: image for found in folder.splits.values() for c in found.values() for image in c}
    splits: dict[str, Classes] = {}
    for split in ("train", "test"):
        splits[split] = {}
        for line in (root / "meta" / f"{split}.txt").read_text(encoding="utf-8").split():
            image = images.get(f"{line}.jpg")
            if image is None:
                raise DataError(
                    f"{root} is incomplete: images/{line}.jpg is missing",
                    f"delete {root} so that it is fetched again, or unpack food-101.tar.gz there",
                )
            name = line.partition("/")[0]
            splits[split].setdefault(name, []).append(ImageFile(f"images/{image.path}", image.name, image.size))
    return Folder(splits, folder.others)


def _check(given: dict[str, Classes], root: Path) -> None:
    known = given.get("train") or given.get("") or {}
    if len(known) < 2:
        only = f"only one class, '{next(iter(known))}'" if known else "no class"
        raise DataError(f"{root} has {only}", _deeper(root, known) or "a classifier needs two or more class folders")
    for split in ("val", "test"):
        for name in sorted(given.get(split, {})):
            if name not in known:
                hint = closest(name, known) or f"add train/{name}/, or remove it from {split}"
                raise DataError(f"class '{name}' is in {split} but not in train, in {root}", hint)


def _deeper(root: Path, known: Classes) -> str:
    """Where an archive was unpacked into a folder of its own, the data set lies one folder further in."""
    for name, images in known.items():
        if images and all("/" in image.name for image in images):
            return f"the folders of classes seem to lie in it: --data {root / name}"
    return ""


def _assemble(root: Path, splits: dict[str, Classes], others: Counter[str]) -> Manifest:
    classes = tuple(sorted(splits["train"]))
    label = {name: index for index, name in enumerate(classes)}
    rows = sorted(
        (label[name], image.path, split, image.size)
        for split, found in splits.items()
        for name, images in found.items()
        for image in images
    )
    labels, paths, names, sizes = zip(*rows, strict=True)
    return Manifest(root, classes, paths, labels, names, sizes, tuple(others.most_common()))
