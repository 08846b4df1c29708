"""Making room: what finished jobs of a certain age take, and removing it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from db import records
from db.job_states import FINISHED
from db.records import JobRecord
from jobs.queue import Queue
from recipes.errors import QueueError
from recipes.home import Home

KEPT = ("best_*.pt", "final_model.pt", "*.json", "*.toml", "*.log", "*.png", "evaluation/**/*")


@dataclass(frozen=True)
class Candidate:
    """What a clean-up would free: a job with everything, only some of its files, or a directory without a job."""

    job: JobRecord | None
    run_dir: Path | None
    files: tuple[Path, ...]
    size: int  # bytes
    whole: bool  # the job's record goes as well


def candidates(home: Home, older_than: float, *, keep_best: bool = False) -> list[Candidate]:
    """What ended more than `older_than` seconds ago, the largest first, and run directories no job owns.

    `keep_best` keeps the record, the best weights and the reports of every job, and frees only the rest.
    """
    connection = records.connect(home.database)
    try:
        everything = records.jobs(connection)
        needed = {parent for job in everything for parent in (*job.waiting_for, *job.blocked_by)}
    finally:
        connection.close()
    horizon = time.time() - older_than
    old = [
        job
        for job in everything
        if job.state in FINISHED and job.id not in needed and job.finished_at is not None and job.finished_at <= horizon
    ]
    found = [_candidate(job, keep_best=keep_best) for job in old]
    found += _ownerless(home, everything, horizon)
    useful = [each for each in found if each.whole or each.files]
    return sorted(useful, key=lambda each: each.size, reverse=True)


def clean(queue: Queue, chosen: Iterable[Candidate]) -> int:
    """Remove what was chosen and return the bytes freed; a job that was retried meanwhile stays."""
    freed = 0
    for candidate in chosen:
        try:
            if candidate.whole and candidate.job is not None:
                queue.remove(candidate.job.id)
            elif candidate.job is not None:
                queue.free(candidate.job.id, candidate.files)
            elif candidate.run_dir is not None:
                shutil.rmtree(candidate.run_dir, ignore_errors=True)
        except QueueError:
            continue
        freed += candidate.size
    return freed


def _candidate(job: JobRecord, *, keep_best: bool) -> Candidate:
    folder = Path(job.run_dir) if job.run_dir else None
    files = _files(folder) if folder is not None else []
    if keep_best and folder is not None:
        kept = {path for pattern in KEPT for path in folder.glob(pattern)}
        files = [path for path in files if path not in kept]
    size = sum(_size(path) for path in files)
    return Candidate(job, folder, tuple(files), size, whole=not keep_best)


def _ownerless(home: Home, jobs: list[JobRecord], horizon: float) -> list[Candidate]:
    owned = {Path(job.run_dir) for job in jobs if job.run_dir}
    found = []
    for folder in home.runs.iterdir() if home.runs.is_dir() else ():
        if folder not in owned and folder.is_dir() and folder.stat().st_mtime <= horizon:
            files = _files(folder)
            found.append(Candidate(None, folder, tuple(files), sum(map(_size, files)), whole=True))
    return found


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
