"""Checkpoints: tensors and plain data, written so that a loadable one is on disk at every instant.

A file is torch's own zip (``torch.load(path, weights_only=True)`` reads it) followed by 40 bytes: the SHA-256 of what
comes before and a mark. A flipped byte or a cut at any place shows when it is read here.
"""

from __future__ import annotations

import errno
import hashlib
import os
import pickle
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, cast

import torch

from recipes.errors import DiskFullError

LAST = "last_checkpoint.pt"
PREVIOUS = "last_checkpoint.prev.pt"
MARK = b"clf-ck-1"  # its last digit is the number of this file format
FOOTER = hashlib.sha256().digest_size + len(MARK)
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class DamagedCheckpointError(Exception):
    """The file is not what was written: its checksum does not fit."""


class _Hashed:
    """A file that hashes what is written to it, and remembers the operating system's error."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.hash = hashlib.sha256()
        self.error: OSError | None = None

    def write(self, data: bytes | memoryview) -> int:
        try:
            written = self.file.write(data)
        except OSError as error:  # torch would turn it into a RuntimeError without the errno
            self.error = error
            raise
        self.hash.update(data)
        return written

    def flush(self) -> None:
        self.file.flush()


def save(content: dict[str, Any], path: Path) -> None:
    """Write `content` to `path` whole or not at all. Raises DiskFullError with the old file intact."""

    def write(file: IO[bytes]) -> None:
        hashed = _Hashed(file)
        try:
            torch.save(content, cast("IO[bytes]", hashed))
        except RuntimeError:
            if hashed.error is not None:
                raise hashed.error from None
            raise
        file.write(hashed.hash.digest() + MARK)

    replace_file(path, write)


def save_last(content: dict[str, Any], folder: Path) -> Path:
    """Write last_checkpoint.pt, keeping the one before as last_checkpoint.prev.pt."""
    path = folder / LAST
    waiting = folder / f".{LAST}.new"
    save(content, waiting)
    if path.exists():
        _keep(path, folder / PREVIOUS)
    waiting.replace(path)
    flush_folder(folder)
    return path


def _keep(path: Path, previous: Path) -> None:
    """Give `path` the second name `previous`; `path` itself is there all the while."""
    spare = previous.with_name(f".{previous.name}.new")
    spare.unlink(missing_ok=True)
    try:
        spare.hardlink_to(path)
    except OSError:  # a file system without hard links
        with guarded(previous):
            shutil.copyfile(path, spare)
    spare.replace(previous)
    spare.unlink(missing_ok=True)  # renaming one name of a file to another of its names leaves both


@contextmanager
def guarded(path: Path) -> Iterator[None]:
    """Turns the operating system's "no room" into DiskFullError."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise DiskFullError(
            f"no room to write {path}: {os.strerror(error.errno or 0)}",
            "free some space on that disk; the file before is intact and the run goes on from it",
        ) from error


def replace_file(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Let `write` fill a temporary file beside `path`, flush it to disk and put it in place."""
    spare = path.with_name(f".{path.name}.tmp")
    with guarded(path):
        try:
            with spare.open("wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            spare.replace(path)
        except BaseException:
            with suppress(OSError):
                spare.unlink(missing_ok=True)
            raise
    flush_folder(path.parent)


def sweep(folder: Path) -> None:
    """Remove what a process that was killed while writing left half-done in its run directory."""
    for path in folder.glob(".*"):
        if path.suffix in (".tmp", ".new") or path.name.endswith(".tmp.png"):
            path.unlink(missing_ok=True)


def flush_folder(folder: Path) -> None:
    """Make renames in `folder` survive a power cut, where the system can."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows opens no folders
        return
    try:
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def load(path: Path, device: str | torch.device = "cpu") -> dict[str, Any]:
    """The content of a checkpoint. Raises DamagedCheckpointError, or FileNotFoundError."""
    verify(path)
    try:
        content = torch.load(path, map_location=device, weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError) as error:
        raise DamagedCheckpointError(f"{path} cannot be read: {error}") from error
    return dict(content)


def verify(path: Path) -> None:
    """Compare a file with its checksum; raises DamagedCheckpointError when they differ."""
    size = path.stat().st_size - FOOTER
    digest = hashlib.sha256()
    with path.open("rb") as file:
        left = max(size, 0)
        while left and (block := file.read(min(left, 1 << 20))):
            digest.update(block)
            left -= len(block)
        footer = file.read()
    if size <= 0 or footer != digest.digest() + MARK:
        raise DamagedCheckpointError(f"{path} is damaged: its checksum does not fit")


def load_last(folder: Path) -> tuple[dict[str, Any] | None, str | None]:
    """The newest good checkpoint of a run directory (None when there is none) and what was wrong, if anything."""
    trouble = None
    for name in (LAST, PREVIOUS):
        path = folder / name
        if not path.exists():
            continue
        try:
            return load(path), trouble
        except (DamagedCheckpointError, OSError) as error:
            trouble = f"{error}; {'the one before it is used' if name == LAST else 'the run begins anew'}"
    return None, trouble
