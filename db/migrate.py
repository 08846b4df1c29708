"""Bringing a database to the newest schema, whole or not at all."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine

from db.refusals import refuse_newer
from db.versions import version_of


def upgrade(engine: Engine, path: Path) -> None:
    """Run the missing migrations in one transaction; a second process waits for the first and finds nothing to do."""
    with engine.begin() as connection:
        raw = connection.connection.driver_connection
        if raw is not None:
            refuse_newer(version_of(raw), path)
        run_migrations(connection)


def run_migrations(connection: Connection, target: str = "head") -> None:
    """Alembic's upgrade to `target` inside the caller's transaction."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, target)
