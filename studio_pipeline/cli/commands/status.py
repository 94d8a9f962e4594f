"""`studio status`: print the release, its data, age and accuracy, the last failure and open alerts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from studio_pipeline.cli.messages import as_called, indented
from studio_pipeline.errors import NoReleaseError, SettingsError
from studio_pipeline.publishing.releases import Release, current_release, release_history

if TYPE_CHECKING:
    from studio_pipeline.settings import Settings


@click.command("status")
def status_command() -> None:
    """Show the published release, its data, time and accuracy, and the last failure."""
    from studio_pipeline.settings import read_settings

    settings = read_settings()
    try:
        _print_release(settings, current_release(settings.home))
    except NoReleaseError:
        click.echo(as_called(f"Nothing is published in {settings.home} yet. Run `studio run`."))
    _print_last_run(settings.home)
    _print_alerts(settings.home)


def _print_release(settings: Settings, release: Release) -> None:
    origin = "real files" if release.source == "landing" else "the built-in generator"
    click.echo(f"Release {release.version} in {settings.home}")
    click.echo(f"  published   {release.published_at:%Y-%m-%d %H:%M %Z}, by run {release.run_id[:8]}")
    click.echo(f"  model       {release.model_version}{_came_by(settings.home, release)}")
    click.echo(f"  data        {release.data_version}, from {origin}, until {release.last_month:%Y-%m}")
    click.echo(f"  good        {_quality(dict(release.metrics))}")
    click.echo(f"  tuning      {_tuning(settings)}")


def _came_by(home: Path, release: Release) -> str:
    """Suffix for a model made current by a rollback, or with a challenger; else empty."""
    if release.decision_kind == "rollback":
        before = [one.model_version for one in release_history(home) if one.version < release.version]
        left = f" from model {before[-1]}" if before else ""
        return f", made current by a rollback{left}; it stays until there are new months"
    if release.challenger_model_version is not None:
        return f", with model {release.challenger_model_version} as its challenger"
    return ""


def _quality(metrics: dict[str, float]) -> str:
    figures = {
        f"revenue_wape_{span}_ensemble": f"months {span}: error {{:.1%}}" for span in ("1", "1-3", "1-12")
    }
    figures["revenue_coverage_90_1-12"] = "90 % intervals hold {:.0%}"
    shown = [text.format(metrics[name]) for name, text in figures.items() if name in metrics]
    return "; ".join(shown) or "not evaluated"


def _tuning(settings: Settings) -> str:
    """Source of the hyperparameters of the next run."""
    from studio_pipeline.configuration import read_configuration
    from studio_pipeline.evaluation.metrics.prediction_table import LABELS
    from studio_pipeline.tuning.values import read_tuned_values

    try:
        if not read_configuration(settings.config).tuning.use_tuned:
            return "tuned hyperparameters are not used (tuning.use_tuned is false)"
        stored = read_tuned_values(settings.home)
    except SettingsError as error:
        return f"{error.what} {error.remedy}"
    if not stored.created_at:
        return "the learners were never tuned: defaults, and what is configured"
    names = " and ".join(LABELS[learner] for learner in stored.values) or "no learner"
    return f"{names} tuned by the search of {stored.created_at[:10]}; else defaults, and what is configured"


def _print_last_run(home: Path) -> None:
    """Print the problems of the last `studio run` if it did not publish."""
    try:
        outcome = json.loads((home / "last_run.json").read_text("utf-8"))
    except FileNotFoundError:
        return
    if outcome["status"] != 0:
        click.secho(f"The run of {outcome['ended_at']} {outcome['verdict']}:", fg="yellow")
        for problem in outcome["problems"]:
            click.echo(indented(problem))


def _print_alerts(home: Path) -> None:
    """Print open alerts, and channels that fail."""
    from studio_pipeline.alerting.outbox import FILE_NAME, Outbox

    if not (home / FILE_NAME).exists():
        return
    outbox = Outbox(home)
    for condition in outbox.open_conditions():
        click.secho(f"Open since {condition.begun_at:%Y-%m-%d %H:%M} UTC: {condition.title}", fg="yellow")
    waiting = outbox.waiting()
    for outage in outbox.outages().values():
        since, count = f"{outage.since:%Y-%m-%d %H:%M} UTC", waiting.get(outage.channel, 0)
        click.secho(f"Channel {outage.channel} takes no alerts since {since}; {count} wait:", fg="red")
        click.echo(indented(outage.reason))
