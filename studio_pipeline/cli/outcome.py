"""Outcome of a run and its printed summary: accuracy against baselines, a sample forecast, and the release.

The run itself is in `pipeline`, the lines printed during it in `progress`.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import click

from studio_pipeline.cli.messages import as_called, indented
from studio_pipeline.evaluation.formatting import learners_without_weight
from studio_pipeline.evaluation.metrics.prediction_table import BASELINES, LABELS
from studio_pipeline.publishing.releases import current_release
from studio_pipeline.settings import Settings

PUBLISHED, FAILED, REFUSED = 0, 1, 3
"""Exit statuses of a run."""

SPANS = ("1", "1-3", "1-6", "1-12")
SHOWN = {"ensemble": "this model", **{name: LABELS[name] for name in BASELINES}}
ALSO_SHOWN = {
    "revenue_wape_{span}_levers_known": "this model, levers known",
    "revenue_coverage_90_{span}": "90 % intervals that held",
    "revenue_coverage_total_{span}": "the same of the total",
}
SAMPLE_MONTHS = 3


@dataclass
class Outcome:
    """Outcome of a run.

    Attributes:
        run_id: the Dagster run.
        status: the exit status.
        verdict: the status as text.
        refusal: text on a refused model and the release that stays; else empty.
        nothing_new: reason why no release was needed; else empty.
        problems: warnings and errors to print, the reason of a failure first.
        evaluation: the backtest's summary; empty if the run did not get so far.
        seconds: duration of the whole run.
    """

    run_id: str
    status: int = FAILED
    verdict: str = "failed"
    refusal: str = ""
    nothing_new: str = ""
    problems: list[str] = field(default_factory=list)
    evaluation: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0


def print_outcome(settings: Settings, outcome: Outcome) -> None:
    """Print the evaluation, a sample forecast, the published release, and the problems."""
    if outcome.evaluation:
        print_evaluation(outcome.evaluation)
    if outcome.status == 0:
        print_published(settings, outcome)
    elif outcome.status == REFUSED and outcome.refusal:
        click.secho(f"\n{outcome.refusal}", fg="red", err=True)
    else:
        click.secho(f"\nThe run {outcome.verdict}.", fg="red", err=True)
    for problem in outcome.problems:
        click.echo(indented(problem), err=outcome.status != 0)


def print_published(settings: Settings, outcome: Outcome) -> None:
    """Print a sample forecast, the release, the path of the report and the next command."""
    print_sample(settings)
    if outcome.refusal or outcome.nothing_new:
        click.secho(f"\n{outcome.refusal or outcome.nothing_new}", fg="yellow")
    else:
        release = current_release(settings.home)
        click.secho(
            f"\nRelease {release.version} is published after {outcome.seconds:.0f} s:"
            f" model {release.model_version}, data {release.data_version}.",
            fg="green",
        )
    click.echo(f"Report: {settings.home / 'report.html'}")
    click.echo(as_called("Next: `studio up` shows the graph and answers questions over HTTP."))


def print_evaluation(summary: Mapping[str, float]) -> None:
    """Print WAPE of revenue per span against the baselines, and coverage of the intervals.

    If the months were too few for a backtest, print one sentence instead.
    """
    if not any(f"revenue_wape_{span}_{name}" in summary for span in SPANS for name in SHOWN):
        click.echo("\nThe months are too few for a backtest: how good this model is can't be said yet.")
        return
    click.echo("\nRevenue in the backtest: error as a share of revenue (WAPE), by months ahead")
    click.echo(f"  {'':<28}" + "".join(f"{span:>9}" for span in SPANS))
    for candidate, label in SHOWN.items():
        values = [summary.get(f"revenue_wape_{span}_{candidate}") for span in SPANS]
        if any(value is not None for value in values):
            click.echo(f"  {label:<28}" + "".join(_share(value) for value in values))
    for name, label in ALSO_SHOWN.items():
        values = [summary.get(name.format(span=span)) for span in SPANS]
        if any(value is not None for value in values):
            click.echo(f"  {label:<28}" + "".join(_share(value) for value in values))
    print_effects(summary)
    if idle := learners_without_weight(summary):
        click.echo(f"\n{idle}")


def print_effects(summary: Mapping[str, float]) -> None:
    """Print the error of predicted lever effects, if the true ones are known."""
    if "effects_partial" in summary:
        click.echo(
            f"\nEffect of one lever on revenue, beside the generator's truth: off by"
            f" {summary['effects_partial']:.0%} (no effect at all: 100%),"
            f" sign right in {summary.get('signs_partial', math.nan):.0%}"
        )


def print_sample(settings: Settings) -> None:
    """Print the forecast of the next months for the first open studio."""
    path = settings.home / "forecasts" / "studio_forecasts.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        return
    latest = max(row["base_month"] for row in rows)
    rows = [row for row in rows if row["base_month"] == latest]
    # If all studios are closed, the first of them is shown.
    rows = ([row for row in rows if float(row["revenue"]) > 0] or rows)[:SAMPLE_MONTHS]
    click.echo(f"\nSample forecast: {rows[0]['studio_id']}, from {rows[0]['base_month'][:7]} (90 % interval)")
    for row in rows:
        revenue, lower, upper = (float(row[name]) for name in ("revenue", "lower_90", "upper_90"))
        members = f"{float(row['member_count']):>8,.0f} members" if row["member_count"] else ""
        click.echo(f"  {row['month_year'][:7]}  {revenue:>12,.0f}  [{lower:,.0f} to {upper:,.0f}]{members}")


def _share(value: float | None) -> str:
    return f"{'-':>9}" if value is None else f"{value:>9.1%}"
