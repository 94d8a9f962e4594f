"""Tables of the service, the check of a database's schema revision, and the upgrade by Alembic."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator

from studio_pipeline.errors import DatabaseError

SCHEMA_REVISION = "0001"
"""The newest migration; kept here so that a look at an up-to-date database loads no migration tool."""

VERSION_TABLE = "studio_schema_version"
"""Alembic's version table, under a name that no other tool in the same database uses."""


class UtcDateTime(TypeDecorator[datetime]):
    """A moment with its time zone, also in a database that keeps none."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _: sa.Dialect) -> datetime | None:
        """In UTC."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, _: sa.Dialect) -> datetime | None:
        """In UTC."""
        return value.replace(tzinfo=UTC) if value and value.tzinfo is None else value


metadata = sa.MetaData()

scenarios = sa.Table(
    "scenarios",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("studio_id", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("request", sa.JSON, nullable=False),
    sa.Column("answer", sa.JSON, nullable=False),
    sa.Column("release_version", sa.Integer, nullable=False),
    sa.Column("model_version", sa.Text, nullable=False),
    sa.Column("data_version", sa.Text, nullable=False),
    sa.Column("base_month", sa.Date, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Index("ix_scenarios_created_at", "created_at", "id"),
    sa.Index("ix_scenarios_studio_id", "studio_id", "created_at", "id"),
)

predictions = sa.Table(
    "predictions",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("studio_id", sa.Text, nullable=False),
    sa.Column("base_month", sa.Date, nullable=False),
    sa.Column("inputs", sa.JSON, nullable=False),
    sa.Column("outputs", sa.JSON, nullable=False),
    sa.Column("made_at", UtcDateTime, nullable=False),
    sa.Column("release_version", sa.Integer, nullable=False),
    sa.Column("model_version", sa.Text, nullable=False),
    sa.Column("data_version", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Index("ix_predictions_made_at", "made_at"),
    sa.Index("ix_predictions_studio_id", "studio_id", "base_month", "made_at"),
)

deletions = sa.Table(
    "deletions",
    metadata,
    sa.Column("studio_id", sa.Text, primary_key=True),
    sa.Column("deleted_at", UtcDateTime, nullable=False),
    sa.Index("ix_deletions_deleted_at", "deleted_at"),
)
"""When a studio's records were last deleted: what other processes still had in hand is left out by it."""

MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 8_207_415_301  # a number that nothing else in the same PostgreSQL takes as an advisory lock


class NewerSchemaError(DatabaseError):
    """The tables were made by a newer version of this program."""


def schema_revision(connection: sa.Connection) -> str | None:
    """The migration that a database is at; None for a database without tables."""
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    found: str | None = connection.scalar(
        sa.select(sa.column("version_num")).select_from(sa.table(VERSION_TABLE))
    )
    return found


def upgrade_schema(connection: sa.Connection) -> None:
    """Run the missing migrations inside the transaction of a writing connection; others wait for it.

    Raises:
        NewerSchemaError: the database is at a migration that this version doesn't know.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SET LOCAL statement_timeout = 0"))
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    if (revision := schema_revision(connection)) == SCHEMA_REVISION:
        return
    # A third of a second to import, once in the life of a schema.
    from alembic import command
    from alembic.script import ScriptDirectory

    configuration = alembic_configuration()
    known = [step.revision for step in ScriptDirectory.from_config(configuration).walk_revisions()]
    if revision not in (None, *known):
        raise NewerSchemaError(
            f"The database is at schema {revision}, which is newer than this version ({SCHEMA_REVISION}).",
            "Install the version that made it, or point STUDIO_DATABASE_URL to another database.",
        )
    configuration.attributes["connection"] = connection
    command.upgrade(configuration, "head")


def alembic_configuration() -> Any:
    """Alembic's own configuration."""
    from alembic.config import Config

    configuration = Config()
    configuration.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return configuration
