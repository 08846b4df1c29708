"""Reading image folders: which layout a folder has, its classes, and the images of each."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from recipes.errors import DataError, closest

READABLE = frozenset(
    f".{extension}"
    for extension in (
        *("jpg", "jpeg", "jpe", "jfif", "png", "webp", "tif", "tiff", "bmp", "gif"),
        *("ppm", "pgm", "pbm", "pnm", "avif", "jp2"),
    )
)
SUCH_AS = ".jpg, .png, .webp, .tif, .bmp, .gif..."
SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
IGNORED_FOLDERS = frozenset({"__MACOSX", "@eaDir"})  # left behind by archivers and file servers
IGNORED_FILES = frozenset({"thumbs.db", "desktop.ini"})  # and by Windows


@dataclass(frozen=True)
class ImageFile:
    """One image: its path below the data set's root, its path below its class folder, its size in bytes."""

    path: str
    name: str
    size: int


Classes = dict[str, list[ImageFile]]


@dataclass(frozen=True)
class Folder:
    """What a folder holds. `splits` is ``{"train": ..., "val": ...}`` where they are given, or ``{"": ...}`` for class
    folders alone; `others` counts, by extension, the files in class folders that are no images clf reads."""

    splits: dict[str, Classes]
    others: Counter[str] = field(default_factory=Counter)


def read_folder(root: Path) -> Folder:
    """What the folder `root` holds; raises DataError, in one line, where it is missing, empty, or laid out in another
    way."""
    folders = _subfolders(root)
    given = _split_folders(root, folders)
    found = Folder({})
    if not given:
        found.splits[""] = _classes(root, "", folders, found.others)
    for split, name in given.items():
        found.splits[split] = _classes(root, f"{name}/", _subfolders(root / name), found.others)
    return found


def _subfolders(root: Path) -> list[str]:
    try:
        with os.scandir(root) as entries:
            return sorted(entry.name for entry in entries if _is_class_folder(entry))
    except FileNotFoundError:
        hint = _beside(root) or "check --data, or choose `digits` or `food-101`"
        raise DataError(f"no folder {root}", hint) from None
    except NotADirectoryError:
        raise DataError(f"{root} is a file, not a folder", "give the folder that holds the images") from None
    except OSError as error:
        raise DataError(f"cannot read {root}: {error.strerror}", "check its permissions") from error


def _is_class_folder(entry: os.DirEntry[str]) -> bool:
    return not entry.name.startswith(".") and entry.name not in IGNORED_FOLDERS and entry.is_dir()


def _beside(root: Path) -> str:
    """The folder with almost the same name; empty where there is none."""
    try:
        names = [entry.name for entry in os.scandir(root.parent) if entry.is_dir()]
    except OSError:
        return ""
    return closest(root.name, names)


def _split_folders(root: Path, folders: list[str]) -> dict[str, str]:
    """Split -> folder name; empty when the folders are classes.

    ``train`` is a split only when it has folders itself: a class of vehicles may be called train too.
    """
    named: dict[str, str] = {}
    for folder in folders:
        split = SPLIT_NAMES.get(folder.lower())
        if split is None:
            continue
        if split in named:
            raise DataError(f"{root} has both {named[split]}/ and {folder}/", f"keep one folder for {split}")
        named[split] = folder
    if "train" in named and _subfolders(root / named["train"]):
        return named
    if folders and len(named) == len(folders):
        if "train" not in named:
            raise DataError(f"{root} has {', '.join(f + '/' for f in folders)} but no train/", "add train/")
        raise DataError(f"{root / named['train']} has no folder per class", "put its images in one folder per class")
    return {}


def _classes(root: Path, prefix: str, folders: list[str], others: Counter[str]) -> Classes:
    """Class name -> its images in order of name; class names are NFC, so that macOS and Linux agree.

    Files that are no images are added to `others`.
    """
    if not folders:
        raise DataError(f"{root / prefix} has no folder per class", _how_it_should_look(root / prefix))
    found: Classes = {}
    written: dict[str, str] = {}
    for folder in folders:
        name = unicodedata.normalize("NFC", folder)
        same = written.setdefault(name.strip().casefold(), folder)
        if same != folder:
            raise DataError(
                f"{root / prefix} has two folders for one class: {same}/ and {folder}/", "merge them or rename one"
            )
        found[name], passed_over = _images(root, prefix + folder)
        others.update(passed_over)
    return found


def _how_it_should_look(folder: Path) -> str:
    with os.scandir(folder) as entries:
        images = sum(1 for entry in entries if _extension(entry.name) in READABLE)
    if images:
        return f"its {images} images lie side by side; put each class's into a folder of its own"
    return "it should hold train/ (and val/, test/), or one folder of images per class"


def _images(root: Path, folder: str) -> tuple[list[ImageFile], Counter[str]]:
    """Every image below a class folder, nested ones too, in order of name; and the other files by extension."""
    images: list[ImageFile] = []
    others: Counter[str] = Counter()
    start = len(folder) + 1
    pending = [folder]
    seen: set[Path] = set()
    while pending:
        inner = pending.pop()
        for entry in _entries(root, inner):
            path = f"{inner}/{entry.name}"
            if entry.is_dir():
                if _first_visit(entry, seen):
                    pending.append(path)
            elif _extension(entry.name) in READABLE:
                images.append(ImageFile(path, path[start:], _size(entry)))
            elif entry.name.lower() not in IGNORED_FILES:
                others[_extension(entry.name) or entry.name] += 1
    if not images:
        raise DataError(f"class folder {root / folder} holds no images", _about(others))
    return sorted(images, key=lambda image: image.name), others


def _entries(root: Path, folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(root / folder) as entries:
            return [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise DataError(f"cannot read {root / folder}: {error.strerror}", "check its permissions") from error


def _first_visit(entry: os.DirEntry[str], seen: set[Path]) -> bool:
    """False for a linked folder that was read before, or that leads back above itself."""
    if not entry.is_symlink():
        return entry.name not in IGNORED_FOLDERS
    real = Path(entry.path).resolve()
    if real in seen or Path(entry.path).parent.resolve().is_relative_to(real):
        return False
    seen.add(real)
    return True


def _extension(name: str) -> str:
    return os.path.splitext(name)[1].lower()  # noqa: PTH122  (a Path per file costs 3 us each, of 100,000)


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_size
    except OSError:  # a dangling link: it is reported with the other unreadable images
        return 0


def _about(others: Counter[str]) -> str:
    if not others:
        return "add images or remove the folder"
    (extension, count), *_ = others.most_common(1)
    return f"it holds {count} {extension} file{'s' * (count > 1)}; readable are {SUCH_AS}"
