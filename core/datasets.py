"""The data sets that clf brings along: scikit-learn's digits, and Food-101 through torchvision.

Both appear under their final name only when they are complete.
"""

from __future__ import annotations

import errno
import os
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from core.events import Preparing
from core.manifest import DIGITS_IMAGES
from recipes.errors import DataError, DiskFullError

FOOD101_MEGABYTES = 4_996  # size of the archive as published
TIMEOUT = 60.0  # seconds a server may be silent
POLL = 0.5  # seconds between two looks at a growing download


def export_digits(root: Path) -> Iterator[Preparing]:
    """Write scikit-learn's 1,797 handwritten digits to ``root/<digit>/<number>.png``: 8 x 8, greyscale.

    Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits", UCI, 1998. Values 0..16 become 0..255.
    """
    from sklearn.datasets import load_digits

    yield Preparing("exporting digits", 0, DIGITS_IMAGES)
    digits = load_digits()
    part = root.with_name(f".{root.name}.part-{os.getpid()}")
    try:
        for number, (values, label) in enumerate(zip(digits.images, digits.target, strict=True)):
            folder = part / str(label)
            folder.mkdir(parents=True, exist_ok=True)
            pixels = np.rint(values * (255 / 16)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{number:04d}.png")
        _publish(part, root)
    except OSError as error:
        raise _cannot_write(root, error) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    yield Preparing("exporting digits", DIGITS_IMAGES, DIGITS_IMAGES)


def fetch_food101(root: Path) -> Iterator[Preparing]:
    """Download and unpack Food-101 (Bossard et al. 2014, 5 GB) to `root`, with torchvision's own downloader.

    An archive that arrived whole is kept until it is unpacked, so that a second try does not fetch it again.
    """
    part = root.with_name(f".{root.name}.part")
    failed: list[BaseException] = []
    fetching = threading.Thread(target=_download, args=(part, failed), daemon=True)
    fetching.start()
    while fetching.is_alive():
        fetching.join(POLL)
        yield _progress(part)
    if failed:
        raise _explain(failed[0], root) from failed[0]
    try:
        _publish(part / "food-101", root)
    except OSError as error:
        raise _cannot_write(root, error) from error
    shutil.rmtree(part, ignore_errors=True)


def _download(part: Path, failed: list[BaseException]) -> None:
    from torchvision.datasets import Food101

    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)  # torchvision sets none: a silent server would hold the run for ever
    try:
        part.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(part / "food-101", ignore_errors=True)  # half unpacked by an earlier try
        Food101(part, download=True)
    except Exception as error:
        failed.append(error)
    finally:
        socket.setdefaulttimeout(before)


def _progress(part: Path) -> Preparing:
    if (part / "food-101" / "images").is_dir():
        classes = sum(1 for _ in (part / "food-101" / "images").iterdir())
        return Preparing("unpacking food-101", classes, max(101, classes))
    archive = part / "food-101.tar.gz"
    megabytes = archive.stat().st_size // 1_000_000 if archive.is_file() else 0
    return Preparing("downloading food-101, MB", megabytes, max(FOOD101_MEGABYTES, megabytes))


def _explain(error: BaseException, root: Path) -> DataError | DiskFullError:
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return _cannot_write(root, error)
    from torchvision.datasets import Food101

    reason = str(getattr(error, "reason", error)).strip() or type(error).__name__
    return DataError(
        f"food-101 could not be downloaded: {reason.splitlines()[0]}",
        f"fetch {Food101._URL} elsewhere and unpack it so that {root}/images and {root}/meta exist, "
        "or train on a folder of your own with --data",
    )


def _publish(part: Path, root: Path) -> None:
    """Give a complete folder its name; another process may have been quicker, which is as good."""
    try:
        part.rename(root)
    except OSError:
        if not root.is_dir():
            raise


def _cannot_write(root: Path, error: OSError) -> DataError | DiskFullError:
    kind = DiskFullError if error.errno == errno.ENOSPC else DataError
    return kind(f"cannot write {root}: {error.strerror or error}", "make room there, or choose another --home")
