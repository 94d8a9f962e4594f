"""Bringing a database to the newest migration: cheap to find out, and safe for several at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, column, inspect, select, table, text

from serving.database.tables import SCHEMA_REVISION, VERSION_TABLE
from studio_pipeline.errors import DatabaseError

MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 8_207_415_301
"""A number that nothing else in the same PostgreSQL takes as an advisory lock."""


class NewerSchemaError(DatabaseError):
    """The tables were made by a newer version of this program."""


def schema_revision(connection: Connection) -> str | None:
    """The migration that a database is at; None for a database without tables."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found: str | None = connection.scalar(select(column("version_num")).select_from(table(VERSION_TABLE)))
    return found


def upgrade_schema(connection: Connection) -> None:
    """Run the missing migrations inside the transaction of a writing connection; others wait for it.

    Raises:
        NewerSchemaError: the database is at a migration that this version doesn't know.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    if (revision := schema_revision(connection)) == SCHEMA_REVISION:
        return
    # A third of a second to import, once in the life of a schema.
    from alembic import command

    configuration = alembic_configuration()
    refuse_newer(revision, configuration)
    configuration.attributes["connection"] = connection
    command.upgrade(configuration, "head")


def refuse_newer(revision: str | None, configuration: Any) -> None:
    """Make sure that a revision is one of ours.

    Raises:
        NewerSchemaError: it isn't.
    """
    from alembic.script import ScriptDirectory

    known = [step.revision for step in ScriptDirectory.from_config(configuration).walk_revisions()]
    if revision not in (None, *known):
        raise NewerSchemaError(
            f"The database is at schema {revision}, which is newer than this version ({SCHEMA_REVISION}).",
            "Install the version that made it, or point STUDIO_DATABASE_URL to another database.",
        )


def alembic_configuration() -> Any:
    """Alembic's own configuration."""
    from alembic.config import Config

    configuration = Config()
    configuration.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return configuration
