"""`studio backup`, `studio restore`, `studio prune` and `studio database`: upkeep of a STUDIO_HOME."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from studio_pipeline.cli.messages import as_called

if TYPE_CHECKING:
    from serving.storage.database import Database
    from studio_pipeline.settings import Settings


@click.command("backup")
@click.argument("archive", type=click.Path(path_type=Path, dir_okay=False))
def backup_command(archive: Path) -> None:
    """Write STUDIO_HOME into ARCHIVE, a .tar.gz; everything may go on running."""
    from studio_pipeline.errors import BackupError
    from studio_pipeline.publishing.backups import write_backup
    from studio_pipeline.settings import read_settings

    settings = read_settings()
    archive = archive.absolute()
    if archive.is_relative_to(settings.home):
        remedy = "A backup inside STUDIO_HOME would be lost with it: put it elsewhere."
        raise BackupError(f"{archive} lies in STUDIO_HOME.", remedy)
    listing = write_backup(settings.home, archive)
    size = archive.stat().st_size / 2**20
    click.echo(f"Release {listing.release} and {len(listing.files)} files are in {archive}, {size:.1f} MB.")
    if listing.during_run:
        click.echo("A run was going on: what it had not finished is not in it.")
    for place in _elsewhere(settings):
        click.echo(f"Not in it, as it is not in STUDIO_HOME: {place}.")


def _elsewhere(settings: Settings) -> list[str]:
    """Parts of the product outside STUDIO_HOME; databases without their URLs, which may contain passwords."""
    folders = {"the landing folder": settings.landing_dir, "DAGSTER_HOME": settings.dagster_home}
    databases = {
        "the service's tables (STUDIO_DATABASE_URL)": settings.database_url,
        "MLflow's store (MLFLOW_TRACKING_URI)": settings.mlflow_tracking_uri,
    }
    return [
        *(f"{name} {path}" for name, path in folders.items() if not path.is_relative_to(settings.home)),
        *(name for name, url in databases.items() if str(settings.home) not in url),
        *(["Dagster's records (STUDIO_DAGSTER_DATABASE_URL)"] if settings.dagster_database_url else []),
    ]


@click.command("restore")
@click.argument("archive", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--to", "home", required=True, type=click.Path(path_type=Path), help="The new home: empty, or not there."
)
def restore_command(archive: Path, home: Path) -> None:
    """Make a home from ARCHIVE, after proving every file in it."""
    from studio_pipeline.publishing.backups import restore_backup

    home = home.absolute()
    listing = restore_backup(archive, home)
    when, files = listing.created_at[:16], len(listing.files)
    click.echo(f"Release {listing.release} of {when} is in {home}, {files} files.")
    click.echo(as_called(f"Next: STUDIO_HOME={home}, and `studio status`."))


@click.command("prune")
@click.option("--dry-run", is_flag=True, help="Say what would be removed, and remove nothing.")
def prune_command(dry_run: bool) -> None:
    """Remove old versions by the rules of `retention`; what is published, and what it needs, stays."""
    from studio_pipeline.configuration import read_configuration
    from studio_pipeline.publishing.pruning import path_of, planned_removals, prune, size_bytes
    from studio_pipeline.settings import read_settings

    settings = read_settings()
    rules = read_configuration(settings.config).retention
    planned = planned_removals(settings.home, rules, settings.model_version)
    megabytes = sum(size_bytes(path_of(settings.home, removal.stored)) for removal in planned) / 2**20
    if dry_run:
        for removal in planned:
            click.echo(f"{removal.stored.kind} {removal.stored.name}: {removal.reason}")
        click.echo(f"{len(planned)} would be removed, {megabytes:.1f} MB.")
        return
    removed = prune(settings.home, rules, settings.model_version)
    click.echo(f"{len(removed)} removed, {megabytes:.1f} MB.")


@click.group("database")
def database_command() -> None:
    """The service's own tables: where they stand, and bringing them to this version."""


@database_command.command("upgrade")
def upgrade() -> None:
    """Bring the tables to this version; the service does so by itself when it starts."""
    with _database() as database:
        before = database.revision()
        database.upgrade()
        after = database.revision()
        done = "was there already" if before == after else f"came after {before or 'an empty database'}"
        click.echo(f"{database.place} is at schema {after}, which {done}.")


@database_command.command("status")
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
    from serving.storage.database import Database
    from studio_pipeline.settings import read_settings

    database = Database(read_settings())
    try:
        yield database
    finally:
        database.close()
