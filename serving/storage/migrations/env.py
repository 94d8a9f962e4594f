"""Alembic entry point: runs migrations on the connection that `serving.storage.schema` passes."""

from __future__ import annotations

from alembic import context

from serving.storage.schema import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, version_table=VERSION_TABLE
)
context.run_migrations()
