"""`studio run` and `studio import`: one run of the pipeline, and files for it; see `cli.pipeline`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

REFUSED = 1


@click.command("run")
@click.option("--studios", type=int, help="Number of generated studios.")
@click.option("--months", type=int, help="Months of each generated studio.")
@click.option("--types", metavar="Yoga,Pilates,...", help="Types of generated studios.")
@click.option("--seed", type=int, help="Seed of the generated fleet.")
def run_command(studios: int | None, months: int | None, types: str | None, seed: int | None) -> None:
    """Materialise every asset once: from months to a published release.

    The months are those of the landing folder; where it is empty, those of the built-in generator, which
    the options are for.

    Exit status: 0 a release is published, 3 the new one was refused and the old one stays, 1 failed.
    """
    from studio_pipeline.cli.pipeline import run_pipeline
    from studio_pipeline.settings import read_settings

    names = None if types is None else [name.strip() for name in types.split(",")]
    given = {"studios": studios, "months": months, "types": names, "seed": seed}
    options = {name: value for name, value in given.items() if value is not None}
    sys.exit(run_pipeline(read_settings(), options))


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option(
    "--columns",
    "columns_map",
    type=click.Path(path_type=Path),
    metavar="MAP.yaml",
    help="How their column names become ours; kept beside the files.",
)
def import_command(files: tuple[Path, ...], columns_map: Path | None) -> None:
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
