"""`studio rollback`: make an older model current, recorded as a Dagster run."""

from __future__ import annotations

import click

from studio_pipeline.cli.messages import as_called


@click.command("rollback")
@click.argument("version", metavar="VERSION")
def command(version: str) -> None:
    """Make an older model current, with today's data; `studio models` lists the versions."""
    from studio_pipeline.cli.rollback_run import run_rollback
    from studio_pipeline.settings import read_settings

    settings = read_settings()
    before, after = run_rollback(settings, version)
    click.secho(
        f"Release {after.version} is published: model {after.model_version} in the place of"
        f" {before.model_version}, data {after.data_version}.",
        fg="green",
    )
    click.echo(
        as_called(
            "It stays until there are new months: then the configured recipe is judged against this model."
            f" `studio rollback {before.model_version}` goes back."
        )
    )
