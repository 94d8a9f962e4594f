"""`studio import`: check files and copy them as they are into the landing folder."""

# ruff: noqa: PLC0415 - a command imports what it needs, so that the others start at once
from __future__ import annotations

from pathlib import Path

import click

SHOWN_ROWS = 20


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option(
    "--columns",
    "columns_map",
    type=click.Path(path_type=Path),
    metavar="MAP.yaml",
    help="How their column names become ours; kept beside the files.",
)
def command(files: tuple[Path, ...], columns_map: Path | None) -> None:
    """Check files of months and copy them as they are into the landing folder."""
    from studio_pipeline.panel.importing import import_files
    from studio_pipeline.settings import read_settings

    settings = read_settings()
    report = import_files(list(files), columns_map, settings.landing_dir)
    click.echo(report)
