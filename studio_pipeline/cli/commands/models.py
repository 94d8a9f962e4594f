"""`studio models` and `studio rollback`: the model versions, and making an older one current."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from studio_pipeline.cli.messages import as_called
from studio_pipeline.publishing.bundles import model_manifests, model_versions
from studio_pipeline.publishing.folders import Manifest
from studio_pipeline.publishing.releases import newest_release

HEADER = ("model", "role", "1-3", "1-12", "90 %", "recipe", "data", "until", "written")
WIDTHS = (12, 11, 7, 7, 7, 14, 18, 9, 17)
FIGURES = ("revenue_wape_1-3_ensemble", "revenue_wape_1-12_ensemble", "revenue_coverage_90_1-12")
UNKNOWN = "-"


@click.command("models")
def models_command() -> None:
    """Every model version: its errors, coverage, recipe, data, and which one answers."""
    from studio_pipeline.settings import read_settings

    home = read_settings().home
    manifests = model_manifests(home)
    if not manifests:
        click.echo(as_called(f"There is no model in {home} yet. Run `studio run`."))
        return
    click.echo("Error of revenue (WAPE) and 90 % intervals that held in each model's own backtest:")
    click.echo(_line(HEADER))
    roles = _roles(home)
    for version, manifest in manifests.items():
        click.echo(_line((version, roles.get(version, ""), *_cells(manifest))))
    for version in model_versions(home):
        if version not in manifests:
            click.echo(_line((version, "unreadable")))


def _roles(home: Path) -> dict[str, str]:
    release = newest_release(home)
    if release is None:
        return {}
    roles = {release.model_version: "champion"}
    if release.challenger_model_version is not None:
        roles[release.challenger_model_version] = "challenger"
    return roles


def _cells(manifest: Manifest) -> tuple[str, ...]:
    """Cells from the figures to the time of writing; a dash where an older bundle has no value."""
    details = manifest.details
    metrics = details.get("metrics")
    figures = [_share(metrics if isinstance(metrics, Mapping) else {}, name) for name in FIGURES]
    names = [str(details.get(name) or UNKNOWN) for name in ("recipe_version", "data_version")]
    until = str(details.get("last_month") or UNKNOWN)[:7]
    return (*figures, *names, until, f"{datetime.fromisoformat(manifest.created_at):%Y-%m-%d %H:%M}")


def _share(metrics: Mapping[str, Any], name: str) -> str:
    value = metrics.get(name)
    return f"{value:.1%}" if isinstance(value, int | float) else UNKNOWN


def _line(cells: tuple[str, ...]) -> str:
    return "  " + "".join(f"{cell:<{width}}" for cell, width in zip(cells, WIDTHS, strict=False)).rstrip()


@click.command("rollback")
@click.argument("version", metavar="VERSION")
def rollback_command(version: str) -> None:
    """Make an older model current, with today's data; `studio models` lists the versions."""
    from studio_pipeline.cli.pipeline import run_rollback
    from studio_pipeline.settings import read_settings

    before, after = run_rollback(read_settings(), version)
    models = f"model {after.model_version} in the place of {before.model_version}"
    click.secho(f"Release {after.version} is published: {models}, data {after.data_version}.", fg="green")
    stays = "It stays until there are new months: then the configured recipe is judged against this model."
    click.echo(as_called(f"{stays} `studio rollback {before.model_version}` goes back."))
