"""`studio import`: check files and copy them into the landing folder."""

from __future__ import annotations

import sys
from pathlib import Path

import click

REFUSED = 1


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
    from studio_pipeline.configuration import read_configuration
    from studio_pipeline.panel.ingest.importing import import_files
    from studio_pipeline.panel.ingest.landing import LEDGER_FILE
    from studio_pipeline.settings import read_settings

    settings = read_settings()
    limits = read_configuration(settings.config).validation
    report = import_files(files, columns_map, settings.landing_dir, limits, settings.home / LEDGER_FILE)
    click.echo(report)
    if report.refused:
        sys.exit(REFUSED)
