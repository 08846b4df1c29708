"""Reading for both faces: stdlib sqlite3, read-only, plain frozen dataclasses; no ORM on this path.

Importing an ORM costs more than everything `clf status` does, so lists, details, series and samples are read here,
and only here: the command line and the Textual app share these functions.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from db.curves import Series, last_step, places, points, reading, sample_at, samples, series
from db.job_states import FINISHED
from db.names import find
from db.refusals import NEWEST, refuse_newer
from db.search import narrowing
from db.versions import version_of
from recipes.errors import NotFoundError

__all__ = [
    "EventRecord",
    "JobRecord",
    "Series",
    "WorkerRecord",
    "change_mark",
    "connect",
    "count_finished",
    "events",
    "find",
    "job",
    "jobs",
    "last_step",
    "places",
    "points",
    "queue_paused",
    "reading",
    "sample_at",
    "samples",
    "series",
    "workers",
]


@dataclass(frozen=True)
class JobRecord:
    """A row of `job` (see db.models.Job for units) with what is derived from its neighbours."""

    id: int
    name: str
    recipe_name: str
    recipe: str
    data: str
    model: str
    state: str
    priority: int
    position: float
    created_at: float
    not_before: float | None
    started_at: float | None
    finished_at: float | None
    cancel_requested: int
    pause_requested: int
    attempt: int
    retries_left: int
    device_wanted: str
    device: str | None
    pid: int | None
    stop_stage: str | None
    run_dir: str | None
    clf_version: str
    git_commit: str | None
    phase: str | None
    stage: str | None
    epoch: int
    epochs: int
    step: int
    steps: int
    epoch_step: int
    epoch_steps: int
    train_loss: float | None
    lr: float | None
    images_per_second: float | None
    eta_seconds: float | None
    memory: int | None
    memory_peak: int | None
    best_accuracy: float | None
    best_epoch: int | None
    best_f1: float | None
    test_accuracy: float | None
    test_f1: float | None
    outcome: str | None
    progress_at: float | None
    failure_kind: str | None
    failure_message: str | None
    failure_hint: str | None
    waiting_for: tuple[int, ...] = ()  # parents that have not ended yet
    blocked_by: tuple[int, ...] = ()  # parents that ended without success
    retries: int = 0
    retry_at: float | None = None  # back-off after a crash
    message: str | None = None  # what the phase is busy with
    elapsed_seconds: float = 0.0  # of all attempts, by a clock that nobody sets
    crashes: int = 0
    checkpoint_step: int = 0
    data_hash: str | None = None
    token: str | None = None
    worker_id: int | None = None
    pid_started: float | None = None


@dataclass(frozen=True)
class WorkerRecord:
    """A row of `worker`; `alive` is decided by jobs.liveness, not by the heartbeat."""

    id: int
    device: str
    device_name: str | None
    pid: int
    pid_started: float
    boot_id: str
    started_at: float
    heartbeat_at: float
    device_used: int | None
    device_total: int | None
    utilization: float | None
    temperature: float | None
    power: float | None
    host: str = ""
    stop_requested: int = 0
    alive: bool = True


@dataclass(frozen=True)
class EventRecord:
    """A row of `event`: what happened to a job, or with `job_id` None to a worker or to the whole queue."""

    id: int
    job_id: int | None
    at: float
    attempt: int
    kind: str
    message: str


_DERIVED = ("waiting_for", "blocked_by")
_JOB_FIELDS = tuple(name for name in JobRecord.__dataclass_fields__ if name not in _DERIVED)
_JOB_COLUMNS = ", ".join(_JOB_FIELDS)
_WORKER_COLUMNS = ", ".join(name for name in WorkerRecord.__dataclass_fields__ if name != "alive")
_GROUPS = (  # in the order of a list: states, the index that is walked, its order
    (("running",), "job_state", "id"),
    (("queued",), "job_claim", "priority DESC, position, id"),
    (("paused",), "job_state", "id"),
    (FINISHED, "job_finished", "finished_at DESC, id DESC"),
)


def connect(path: Path, timeout: float = 5.0) -> sqlite3.Connection:
    """A read-only connection; an older schema is brought up to date first.

    Raises sqlite3.OperationalError when there is no database, DatabaseError when it is newer than this program.
    """
    connection = _open(path, timeout)
    version = version_of(connection)
    if version == NEWEST:
        return connection
    refuse_newer(version, path)
    from db.writing import make_ready

    make_ready(path)
    return connection


def _open(path: Path, timeout: float) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, timeout=timeout, isolation_level=None)
    try:
        connection.execute("PRAGMA schema_version")
    except sqlite3.OperationalError:
        if not path.exists() or os.access(path.parent, os.W_OK) or path.with_name(f"{path.name}-wal").exists():
            raise
        # a folder nobody can write: WAL's shared memory cannot be made, and nobody else can change the file either
        connection = sqlite3.connect(f"{uri}&immutable=1", uri=True, timeout=timeout, isolation_level=None)
    connection.row_factory = sqlite3.Row
    return connection


def jobs(
    conn: sqlite3.Connection,
    *,
    states: Sequence[str] = (),
    text: str = "",
    recipe: str = "",
    data: str = "",
    limit: int | None = None,
    finished: int | None = None,
) -> list[JobRecord]:
    """Running, then queued in the order they will be claimed, paused, then finished with the newest first.

    `text` is looked for in name, recipe, data and model, `data` in the data's path or name, whatever the case, and
    `recipe` is a recipe's whole name; `limit` counts all jobs, `finished` only those that have ended.
    """
    rows: list[sqlite3.Row] = []
    for group, index, order in _GROUPS:
        wanted = [state for state in group if not states or state in states]
        room = None if limit is None else limit - len(rows)
        if index == "job_finished" and finished is not None:
            room = finished if room is None else min(room, finished)
        if wanted and (room is None or room > 0):
            query, values = list_query(wanted, index, order, text, room, recipe=recipe, data=data)
            rows += conn.execute(query, values)
    parents = _parents(conn)
    return [_job(row, parents.get(row["id"], [])) for row in rows]


def count_finished(
    conn: sqlite3.Connection, *, states: Sequence[str] = (), text: str = "", recipe: str = "", data: str = ""
) -> int:
    """How many jobs have ended, of those `jobs` would list."""
    group, index, order = _GROUPS[-1]
    wanted = [state for state in group if not states or state in states]
    if not wanted:
        return 0
    query, values = list_query(wanted, index, order, text, recipe=recipe, data=data)
    counting = f"SELECT count(*){query[query.index(' FROM ') : query.index(' ORDER BY ')]}"
    return int(conn.execute(counting, values).fetchone()[0])


def list_query(
    states: Sequence[str],
    index: str,
    order: str,
    text: str = "",
    limit: int | None = None,
    *,
    recipe: str = "",
    data: str = "",
) -> tuple[str, dict[str, str]]:
    """The query for jobs in `states`, bound to the index that yields `order` without sorting, and its values."""
    where = " OR ".join(f"state = '{state}'" for state in states)
    if index == "job_finished":
        where = f"finished_at IS NOT NULL AND ({where})"  # the condition of the partial index
    conditions, values = narrowing(text, recipe, data)
    where = " AND ".join([f"({where})", *conditions])
    tail = "" if limit is None else f" LIMIT {int(limit)}"
    query = f"SELECT {_JOB_COLUMNS} FROM job INDEXED BY {index} WHERE {where} ORDER BY {order}{tail}"
    return query, values


def _parents(conn: sqlite3.Connection, job_id: int | None = None) -> dict[int, list[tuple[int, str]]]:
    """The parents that still hold back a job that has not begun: job -> (parent, the parent's state)."""
    query = (
        "SELECT d.job_id, d.parent_id, p.state FROM job j JOIN dependency d ON d.job_id = j.id"
        " JOIN job p ON p.id = d.parent_id WHERE j.state IN ('queued', 'paused') AND p.state != 'succeeded'"
        " AND NOT (d.any_outcome AND p.finished_at IS NOT NULL)"
    )
    only = "" if job_id is None else " AND j.id = ?"
    found: dict[int, list[tuple[int, str]]] = {}
    for child, parent, state in conn.execute(
        f"{query}{only} ORDER BY d.parent_id", () if job_id is None else (job_id,)
    ):
        found.setdefault(child, []).append((parent, state))
    return found


def _job(row: sqlite3.Row, parents: list[tuple[int, str]]) -> JobRecord:
    """Filled as pickle does it: a frozen dataclass of sixty fields takes 25 times as long through its constructor."""
    ended = ("failed", "cancelled")
    record = object.__new__(JobRecord)
    vars(record).update(
        zip(_JOB_FIELDS, row, strict=True),
        waiting_for=tuple(parent for parent, state in parents if state not in ended),
        blocked_by=tuple(parent for parent, state in parents if state in ended),
    )
    return record


def job(conn: sqlite3.Connection, job_id: int) -> JobRecord:
    """One job; raises NotFoundError."""
    row = conn.execute(f"SELECT {_JOB_COLUMNS} FROM job WHERE id = ?", (job_id,)).fetchone()
    if row is None:
        raise NotFoundError(f"no job {job_id}", "'clf status' lists the jobs")
    return _job(row, _parents(conn, job_id).get(job_id, []))


def events(conn: sqlite3.Connection, job_id: int | None, *, limit: int = 200) -> list[EventRecord]:
    """The newest `limit` events of a job, or of everything with None; the newest comes last."""
    where = "" if job_id is None else "WHERE job_id = ?"
    rows = conn.execute(
        f"SELECT id, job_id, at, attempt, kind, message FROM event {where} ORDER BY id DESC LIMIT {int(limit)}",
        () if job_id is None else (job_id,),
    ).fetchall()
    return [EventRecord(**dict(row)) for row in reversed(rows)]


def workers(conn: sqlite3.Connection) -> list[WorkerRecord]:
    """The workers that did not say goodbye; which of them are alive is for jobs.liveness to tell."""
    rows = conn.execute(f"SELECT {_WORKER_COLUMNS} FROM worker WHERE stopped_at IS NULL ORDER BY device").fetchall()
    return [WorkerRecord(**dict(row)) for row in rows]


def queue_paused(conn: sqlite3.Connection) -> bool:
    """Whether the whole queue is paused: running jobs go on, no further one begins."""
    row = conn.execute("SELECT value FROM setting WHERE key = 'paused'").fetchone()
    return row is not None and row[0] == "1"


def change_mark(conn: sqlite3.Connection) -> int:
    """A number that differs after any other connection committed; costs microseconds."""
    return int(conn.execute("PRAGMA data_version").fetchone()[0])
