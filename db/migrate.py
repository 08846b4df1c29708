"""Bringing a database to the newest schema, whole or not at all."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from db.engine import engine_of
from db.refusals import refuse_newer, translate
from db.versions import version_of


def upgrade(path: Path, busy_seconds: float) -> None:
    """Run the missing migrations in one transaction; a second process waits for the first and finds nothing to do."""
    engine = engine_of(path, busy_seconds)
    try:
        with engine.begin() as connection:
            raw = connection.connection.driver_connection
            if raw is not None:
                refuse_newer(version_of(raw), path)
            run_migrations(connection)
    except DBAPIError as error:
        raise translate(error, path) from error
    finally:
        engine.dispose()


def run_migrations(connection: Connection, target: str = "head") -> None:
    """Alembic's upgrade to `target` inside the caller's transaction."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, target)
