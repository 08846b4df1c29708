"""The database for writing through the ORM: SQLite with real BEGIN IMMEDIATE, a durable journal, the newest schema.

Reading has its own way in `db.records`, and what must start quickly its own in `db.writing`; neither needs this.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from db.refusals import translate
from db.writing import BUSY_SECONDS, DURABLE, make_ready


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
    notice = make_ready(path, busy_seconds)
    return Database(engine_of(path, busy_seconds), path, notice)


def engine_of(path: Path, busy_seconds: float) -> Engine:
    """An engine whose every transaction takes the write lock at its beginning; `path` is as it is."""
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": busy_seconds})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver's own BEGIN is deferred: it would fail when it turns to writing
        for pragma in DURABLE:
            connection.execute(pragma)

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine
