"""`studio backup`: write STUDIO_HOME to one archive while everything is running."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from studio_pipeline.settings import Settings


@click.command("backup")
@click.argument("archive", type=click.Path(path_type=Path, dir_okay=False))
def command(archive: Path) -> None:
    """Write STUDIO_HOME into ARCHIVE, a .tar.gz; everything may go on running."""
    from studio_pipeline.errors import BackupError
    from studio_pipeline.publishing.backups import write_backup
    from studio_pipeline.settings import read_settings

    settings = read_settings()
    archive = archive.absolute()
    if archive.is_relative_to(settings.home):
        raise BackupError(
            f"{archive} lies in STUDIO_HOME.",
            "A backup inside STUDIO_HOME would be lost with it: put it elsewhere.",
        )
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
