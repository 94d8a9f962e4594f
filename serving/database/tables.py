"""The tables, as the newest migration leaves them."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import JSON, Column, Date, DateTime, Dialect, Index, Integer, MetaData, Table, Text
from sqlalchemy.types import TypeDecorator

SCHEMA_REVISION = "0001"
"""The newest migration; kept here so that a look at an up-to-date database loads no migration tool."""

VERSION_TABLE = "studio_schema_version"
"""Where the database says which migration it is at; a name that no other tool in the same database takes."""


class UtcDateTime(TypeDecorator[datetime]):
    """A moment with its time zone, also in a database that keeps none."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _: Dialect) -> datetime | None:
        """In UTC."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, _: Dialect) -> datetime | None:
        """In UTC."""
        if value is None or value.tzinfo is not None:
            return value
        return value.replace(tzinfo=UTC)


metadata = MetaData()

scenarios = Table(
    "scenarios",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("studio_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("request", JSON, nullable=False),
    Column("answer", JSON, nullable=False),
    Column("release_version", Integer, nullable=False),
    Column("model_version", Text, nullable=False),
    Column("data_version", Text, nullable=False),
    Column("base_month", Date, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Index("ix_scenarios_created_at", "created_at", "id"),
    Index("ix_scenarios_studio_id", "studio_id", "created_at", "id"),
)

predictions = Table(
    "predictions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("studio_id", Text, nullable=False),
    Column("base_month", Date, nullable=False),
    Column("inputs", JSON, nullable=False),
    Column("outputs", JSON, nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
    Column("release_version", Integer, nullable=False),
    Column("model_version", Text, nullable=False),
    Column("data_version", Text, nullable=False),
    Column("role", Text, nullable=False),
    Index("ix_predictions_made_at", "made_at"),
    Index("ix_predictions_studio_id", "studio_id", "base_month", "made_at"),
)

deletions = Table(
    "deletions",
    metadata,
    Column("studio_id", Text, primary_key=True),
    Column("deleted_at", UtcDateTime, nullable=False),
    Index("ix_deletions_deleted_at", "deleted_at"),
)
"""When a studio's records were last deleted: what other processes still had in hand is left out by it."""
