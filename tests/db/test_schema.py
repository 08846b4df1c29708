"""The migrations and the tables agree; a database from elsewhere is treated with care."""

from __future__ import annotations

import re
import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlmodel import SQLModel

import db
from db import records
from db.engine import open_database
from db.filesystem import network_type
from db.refusals import NEWEST
from db.writing import insert, make_ready, transaction
from recipes.errors import DatabaseError

SCHEMAS = sorted((Path(__file__).parent / "schemas").glob("*.sql"))


def shape(path: Path) -> dict[str, tuple[str, ...]]:
    """Every table and index by name: its DDL as a sorted set of clauses, blind to order and quoting."""
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    connection.close()
    found = {}
    for name, sql in rows:
        body = sql.replace('"', "")
        body = body[body.index("(") + 1 : body.rindex(")")]
        found[name] = tuple(sorted(" ".join(clause.split()) for clause in re.split(r",\s*\n", body)))
    return found


def test_the_migrated_schema_is_the_schema_of_the_models(tmp_path: Path) -> None:
    open_database(tmp_path / "migrated.db").close()
    engine = create_engine(f"sqlite:///{tmp_path / 'models.db'}")
    SQLModel.metadata.create_all(engine)
    engine.dispose()
    migrated, models = shape(tmp_path / "migrated.db"), shape(tmp_path / "models.db")
    assert migrated.pop("alembic_version")
    assert migrated == models


def test_the_newest_schema_is_that_of_the_last_migration() -> None:
    assert ScriptDirectory(str(Path(db.__path__[0]) / "migrations")).get_current_head() == NEWEST


def test_ten_processes_opening_a_new_home_at_once_migrate_it_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(10) as pool:
        for database in pool.map(lambda _: open_database(tmp_path / "clf.db"), range(10)):
            database.close()
    connection = records.connect(tmp_path / "clf.db")
    assert connection.execute("SELECT count(*) FROM alembic_version").fetchone()[0] == 1
    connection.close()


def test_a_newer_schema_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "clf.db"
    open_database(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    before = path.read_bytes()
    for opening in (open_database, records.connect):
        with pytest.raises(DatabaseError, match="newer clf"):
            opening(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("script", SCHEMAS, ids=lambda path: path.stem)
def test_a_database_of_every_released_schema_opens_with_its_jobs(tmp_path: Path, script: Path) -> None:
    path = tmp_path / "clf.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(script.read_text(encoding="utf-8"))
    connection.close()
    open_database(path).close()
    reader = records.connect(path)
    assert [(job.id, job.state) for job in records.jobs(reader)] == [(2, "queued"), (1, "succeeded")]
    assert len(records.series(reader, 1, "val", "accuracy").xs) == 2
    reader.close()


def test_every_schema_has_its_file() -> None:
    assert [path.stem for path in SCHEMAS][-1] == NEWEST


def test_an_empty_file_left_by_a_crash_becomes_a_database(tmp_path: Path) -> None:
    (tmp_path / "clf.db").touch()
    reader = records.connect(tmp_path / "clf.db")
    assert records.jobs(reader) == []
    reader.close()


def test_a_deleted_wal_leaves_a_readable_queue(tmp_path: Path) -> None:
    path = tmp_path / "clf.db"
    database = open_database(path)
    copy = tmp_path / "copy.db"
    shutil.copy(path, copy)
    database.close()
    reader = records.connect(copy)
    assert reader.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    reader.close()


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "clf.db"
    path.write_bytes(b"holiday photographs" * 100)
    with pytest.raises(DatabaseError, match="not a clf database"):
        open_database(path)


def test_a_locked_database_is_a_clear_message(tmp_path: Path) -> None:
    path = tmp_path / "clf.db"
    open_database(path).close()
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    database = open_database(path, busy_seconds=0.1)
    with pytest.raises(DatabaseError, match="locked"), database.transaction():
        pass
    holder.execute("ROLLBACK")
    with database.transaction():
        pass
    holder.close()
    database.close()


def test_a_transaction_takes_the_write_lock_before_it_reads(tmp_path: Path) -> None:
    database = open_database(tmp_path / "clf.db")
    other = sqlite3.connect(tmp_path / "clf.db", timeout=0, isolation_level=None)
    with database.transaction() as session:
        session.connection()
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
    other.close()
    database.close()


def test_a_transaction_without_the_orm_is_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "clf.db"
    make_ready(path)
    row = {"key": "paused", "value": "1"}
    with suppress(KeyError), transaction(path) as connection:
        insert(connection, "setting", row)
        with pytest.raises(DatabaseError, match="locked"), transaction(path, busy_seconds=0.1):
            pass
        raise KeyError
    with transaction(path) as connection:
        assert connection.execute("SELECT count(*) FROM setting").fetchone()[0] == 0
        insert(connection, "setting", row)
        assert connection.execute("PRAGMA synchronous").fetchone()[0] == 2  # FULL
    with pytest.raises(DatabaseError), transaction(path) as connection:
        insert(connection, "setting", row)  # its key is taken
    with pytest.raises(DatabaseError), transaction(path) as connection:
        insert(connection, "dependency", {"job_id": 7, "parent_id": 8, "any_outcome": 0})  # no such jobs
    with pytest.raises(DatabaseError, match="locked"), transaction(path), transaction(path, busy_seconds=0.1):
        pass


def test_the_deepest_mount_decides_about_the_network() -> None:
    mounts = {"/": "ext4", "/home": "nfs4", "/home/me/fast": "xfs", "/mnt/s": "fuse.sshfs"}
    assert network_type(Path("/home/me/clf"), mounts) == "nfs4"
    assert network_type(Path("/home/me/fast/clf"), mounts) is None
    assert network_type(Path("/var/lib/clf"), mounts) is None
    assert network_type(Path("/mnt/s/clf"), mounts) == "fuse.sshfs"
