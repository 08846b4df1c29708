"""Making data ready before the first step: fetch what is missing, and open every image once."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from core.decode import verify
from core.events import Preparing
from core.manifest import Manifest, describe_source
from recipes.errors import DataError
from recipes.sections import Data

SHOWN = 10  # unreadable files named in the error
CHUNK = 64  # images per task
PAUSE = 0.5  # seconds between two events

Seen = dict[str, tuple[int, int]]  # path -> size and time of change (ns) of a file that was read without fault


def ensure_data(data: Data, datasets: Path) -> Iterator[Preparing]:
    """Bring ``data.source`` onto the disk where clf can: digits are exported, food-101 is downloaded, once.

    Raises DataError: no such folder, or no network, with where to put the files by hand.
    """
    source = describe_source(data, datasets)
    if source.ready:
        return
    from core.datasets import export_digits, fetch_food101

    try:
        datasets.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"cannot write to {datasets}: {error.strerror}", "choose another --home") from error
    yield from (export_digits if source.kind == "digits" else fetch_food101)(source.root)


def check_images(manifest: Manifest, workers: int, cache: Path | None = None) -> Iterator[Preparing]:
    """Decode every image of `manifest` once, in `workers` threads; raises DataError naming those that fail.

    With a folder `cache`, files that were read without fault are remembered by path, size and time of change, so
    that only new and changed ones are opened the next time.
    """
    total = len(manifest.paths)
    memory = None if cache is None else cache / f"{hashlib.sha256(os.fsencode(manifest.root)).hexdigest()[:16]}.txt"
    seen = _recall(memory)
    present, faults = _stats(manifest)
    pending = [path for path, stamp in present.items() if seen.get(path) != stamp]
    done = total - len(pending)
    told = time.monotonic()
    for paths, found in _in_threads(pending, _checker(manifest.root), workers):
        faults |= found
        seen |= {path: present[path] for path in paths if path not in found}
        done += len(paths)
        if time.monotonic() - told > PAUSE:
            told = time.monotonic()
            yield Preparing("checking images", done, total)
    if pending:
        _remember(memory, seen)
    if faults:
        raise _report(faults, total)
    yield Preparing("checking images", total, total)


def _stats(manifest: Manifest) -> tuple[Seen, dict[str, str]]:
    present: Seen = {}
    faults: dict[str, str] = {}
    root = str(manifest.root)
    for path in manifest.paths:
        try:
            stat = os.stat(f"{root}/{path}")  # noqa: PTH116  (100,000 files: a Path each takes longer than the stat)
            present[path] = (stat.st_size, stat.st_mtime_ns)
        except OSError as error:
            faults[path] = error.strerror or str(error)
    return present, faults


def _checker(root: Path) -> Callable[[Sequence[str]], dict[str, str]]:
    def check(paths: Sequence[str]) -> dict[str, str]:
        faults = {}
        for path in paths:
            try:
                verify(root / path)
            except DataError as error:
                faults[path] = error.message.rpartition(f"{path}: ")[2]
        return faults

    return check


def _in_threads(
    pending: Sequence[str], check: Callable[[Sequence[str]], dict[str, str]], workers: int
) -> Iterator[tuple[Sequence[str], dict[str, str]]]:
    """Pillow lets go of the interpreter while it decodes, so threads use all cores without starting processes."""
    chunks = [pending[first : first + CHUNK] for first in range(0, len(pending), CHUNK)]
    with ThreadPoolExecutor(max(1, workers)) as pool:
        try:
            yield from zip(chunks, pool.map(check, chunks), strict=True)
        finally:
            pool.shutdown(cancel_futures=True)


def _report(faults: dict[str, str], total: int) -> DataError:
    named = ", ".join(f"{path} ({reason})" for path, reason in list(faults.items())[:SHOWN])
    more = f", and {len(faults) - SHOWN:,} more" if len(faults) > SHOWN else ""
    return DataError(
        f"{len(faults):,} of {total:,} images cannot be read: {named}{more}", "replace or remove them, then retry"
    )


def _recall(memory: Path | None) -> Seen:
    """What was remembered; a file that is missing or damaged is as good as none."""
    if memory is None:
        return {}
    seen: Seen = {}
    try:
        for line in memory.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
            size, changed, path = line.split(" ", 2)
            seen[path] = (int(size), int(changed))
    except (OSError, ValueError):
        return {}
    return seen


def _remember(memory: Path | None, seen: Seen) -> None:
    """Best effort: where it cannot be written the images are read again next time."""
    if memory is None:
        return
    lines = [f"{size} {changed} {path}\n" for path, (size, changed) in seen.items() if "\n" not in path]
    part = memory.with_name(f"{memory.name}.{os.getpid()}")
    try:
        memory.parent.mkdir(parents=True, exist_ok=True)
        part.write_text("".join(lines), encoding="utf-8", errors="surrogateescape")
        part.replace(memory)
    except OSError:
        part.unlink(missing_ok=True)
