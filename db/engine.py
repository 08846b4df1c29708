"""The database for writing: SQLite with real BEGIN IMMEDIATE, a durable journal, and the newest schema.

Reading has its own way in `db.records`, which needs none of this.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from db.filesystem import shared_over_network
from db.models import SCHEMA_VERSION
from db.refusals import refuse_newer, translate
from db.versions import written_version

BUSY_SECONDS = 30.0  # another process may hold the write lock this long before a verb gives up


@dataclass(frozen=True)
class Database:
    """An engine on a database of the newest schema; `notice` is what the person should be told about its place."""

    engine: Engine
    path: Path
    notice: str = ""

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """One BEGIN IMMEDIATE transaction: all of it happens or nothing; raises DatabaseError."""
        try:
            with Session(self.engine, expire_on_commit=False) as session, session.begin():
                session.connection()  # take the write lock now, not at the first statement
                yield session
        except DBAPIError as error:
            raise translate(error, self.path) from error

    def close(self) -> None:
        self.engine.dispose()


def open_database(path: Path, *, busy_seconds: float = BUSY_SECONDS) -> Database:
    """Open `path` for writing, creating or migrating it where needed.

    Raises DatabaseError when it is locked, damaged, unwritable, or written by a newer clf; then it was not touched.
    """
    try:
        version = written_version(path)
        refuse_newer(version, path)
        network = shared_over_network(path.parent)
        database = Database(_engine(path, busy_seconds), path, _notice(network))
        _set_journal(path, network, busy_seconds)
        if version != SCHEMA_VERSION:
            from db.migrate import upgrade  # alembic costs 0.3 s to import, so only when there is work for it

            upgrade(database.engine, path)
    except (sqlite3.Error, DBAPIError) as error:
        raise translate(error, path) from error
    return database


def _notice(network: str | None) -> str:
    if network is None:
        return ""
    return f"the queue lies on a network file system ({network}): slower, and safe only while one machine uses it"


def _set_journal(path: Path, network: str | None, busy_seconds: float) -> None:
    """WAL, or a rollback journal where the shared memory of WAL would not be shared: sqlite.org/wal.html."""
    wanted = "delete" if network else "wal"
    connection = sqlite3.connect(path, timeout=busy_seconds, isolation_level=None)
    try:
        if connection.execute("PRAGMA journal_mode").fetchone()[0] != wanted:
            connection.execute(f"PRAGMA journal_mode = {wanted}")
    finally:
        connection.close()


def _engine(path: Path, busy_seconds: float) -> Engine:
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": busy_seconds})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver's own BEGIN is deferred: it would fail when it turns to writing
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine
