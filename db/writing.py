"""Writing with the standard library alone: for what a person waits for, where importing an ORM would be the wait.

`db.engine` builds on this; both give the same guarantees: the newest schema, BEGIN IMMEDIATE, a durable journal.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from db.filesystem import shared_over_network
from db.refusals import NEWEST, refuse_newer, translate
from db.versions import written_version

BUSY_SECONDS = 35.0  # another process may hold the write lock this long before a verb gives up
DURABLE = ("PRAGMA synchronous = FULL", "PRAGMA foreign_keys = ON")  # of every connection that writes


def make_ready(path: Path, busy_seconds: float = BUSY_SECONDS) -> str:
    """Create or migrate `path` where needed; what the person should be told about its place, or "".

    Raises DatabaseError when it is locked, damaged, unwritable, or written by a newer clf; then it was not touched.
    """
    try:
        version = written_version(path)
        refuse_newer(version, path)
        network = shared_over_network(path.parent)
        _set_journal(path, network, busy_seconds)
        if version != NEWEST:
            from db.migrate import upgrade  # alembic and the ORM cost 0.6 s to import: only when there is work

            upgrade(path, busy_seconds)
    except sqlite3.Error as error:
        raise translate(error, path) from error
    if network is None:
        return ""
    return f"the queue lies on a network file system ({network}): slower, and safe only while one machine uses it"


@contextmanager
def transaction(path: Path, busy_seconds: float = BUSY_SECONDS) -> Iterator[sqlite3.Connection]:
    """One BEGIN IMMEDIATE transaction on a ready database: all of it happens or nothing; raises DatabaseError."""
    try:
        with closing(sqlite3.connect(path, timeout=busy_seconds, isolation_level=None)) as connection:
            for pragma in DURABLE:
                connection.execute(pragma)
            connection.execute("BEGIN IMMEDIATE")
            with connection:  # commits, or rolls back on an exception
                yield connection
    except sqlite3.Error as error:
        raise translate(error, path) from error


def insert(connection: sqlite3.Connection, table: str, row: Mapping[str, object]) -> int:
    """INSERT `row` into `table`; its rowid."""
    columns, places = ", ".join(row), ", ".join(f":{name}" for name in row)
    return connection.execute(f"INSERT INTO {table} ({columns}) VALUES ({places})", row).lastrowid or 0


def _set_journal(path: Path, network: str | None, busy_seconds: float) -> None:
    """WAL, or a rollback journal where the shared memory of WAL would not be shared: sqlite.org/wal.html."""
    wanted = "delete" if network else "wal"
    with closing(sqlite3.connect(path, timeout=busy_seconds, isolation_level=None)) as connection:
        if connection.execute("PRAGMA journal_mode").fetchone()[0] != wanted:
            connection.execute(f"PRAGMA journal_mode = {wanted}")
