"""`studio prune`: remove old versions by the rules of `retention`."""

from __future__ import annotations

import click


@click.command("prune")
@click.option("--dry-run", is_flag=True, help="Say what would be removed, and remove nothing.")
def command(dry_run: bool) -> None:
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
