"""`studio restore`: create a STUDIO_HOME from an archive of `studio backup`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("restore")
@click.argument("archive", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--to", "home", required=True, type=click.Path(path_type=Path), help="The new home: empty, or not there."
)
def command(archive: Path, home: Path) -> None:
    """Make a home from ARCHIVE, after proving every file in it."""
    from studio_pipeline.cli.messages import as_called
    from studio_pipeline.publishing.backups import restore_backup

    home = home.absolute()
    listing = restore_backup(archive, home)
    click.echo(
        f"Release {listing.release} of {listing.created_at[:16]} is in {home}, {len(listing.files)} files."
    )
    click.echo(as_called(f"Next: STUDIO_HOME={home}, and `studio status`."))
