"""`studio database`: schema status and upgrade of the service's tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from studio_pipeline.cli.messages import as_called

if TYPE_CHECKING:
    from serving.storage.database import Database


@click.group("database")
def command() -> None:
    """The service's own tables: where they stand, and bringing them to this version."""


@command.command("upgrade")
def upgrade() -> None:
    """Bring the tables to this version; the service does so by itself when it starts."""
    with _database() as database:
        before = database.revision()
        database.upgrade()
        after = database.revision()
        done = "was there already" if before == after else f"came after {before or 'an empty database'}"
        click.echo(f"{database.place} is at schema {after}, which {done}.")


@command.command("status")
def status() -> None:
    """Which schema the tables are at, and which one this version works with."""
    from serving.storage.schema import SCHEMA_REVISION

    with _database() as database:
        found = database.revision()
        click.echo(f"{database.place} is at schema {found or 'none'}.")
        click.echo(f"This version works with schema {SCHEMA_REVISION}.")
        if found is None:
            click.echo(
                as_called("The service makes its tables when it starts, or `studio database upgrade`.")
            )


@contextmanager
def _database() -> Iterator[Database]:
    """The database of the settings.

    Raises:
        DatabaseError: it can't be reached.
    """
    from serving.storage.database import Database
    from studio_pipeline.settings import read_settings

    database = Database(read_settings())
    try:
        yield database
    finally:
        database.close()
