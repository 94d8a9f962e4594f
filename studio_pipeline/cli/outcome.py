"""Progress of a run as lines, and its outcome: accuracy beside baselines, a sample forecast, and problems.

The run itself is in `pipeline`.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import click
import dagster as dg

from studio_pipeline.cli.messages import as_called, indented
from studio_pipeline.evaluation.formatting import learners_without_weight
from studio_pipeline.evaluation.metrics.prediction_table import BASELINES, LABELS
from studio_pipeline.publishing.releases import current_release
from studio_pipeline.settings import Settings

PUBLISHED, FAILED, REFUSED = 0, 1, 3
"""Exit statuses of a run."""

SPANS = ("1", "1-3", "1-6", "1-12")
CANDIDATES = {"ensemble": "this model", **{name: LABELS[name] for name in BASELINES}}
SHOWN = {
    **{f"revenue_wape_{{span}}_{name}": label for name, label in CANDIDATES.items()},
    "revenue_wape_{span}_levers_known": "this model, levers known",
    "revenue_coverage_90_{span}": "90 % intervals that held",
    "revenue_coverage_total_{span}": "the same of the total",
}
SAMPLE_MONTHS = 3


@dataclass
class Outcome:
    """Outcome of a run."""

    run_id: str
    status: int = FAILED
    verdict: str = "failed"
    refusal: str = ""  # text on a refused model and the release that stays; else empty
    nothing_new: str = ""  # reason why no release was needed; else empty
    problems: list[str] = field(default_factory=list)  # to print; the reason of a failure comes first
    evaluation: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0


def print_outcome(settings: Settings, outcome: Outcome) -> None:
    """Print the evaluation, a sample forecast, the published release, and the problems."""
    if outcome.evaluation:
        print_evaluation(outcome.evaluation)
    if outcome.status == PUBLISHED:
        print_sample(settings)
        if outcome.refusal or outcome.nothing_new:
            click.secho(f"\n{outcome.refusal or outcome.nothing_new}", fg="yellow")
        else:
            release = current_release(settings.home)
            text = f"Release {release.version} is published after {outcome.seconds:.0f} s"
            models = f"model {release.model_version}, data {release.data_version}"
            click.secho(f"\n{text}: {models}.", fg="green")
        click.echo(f"Report: {settings.home / 'report.html'}")
        click.echo(as_called("Next: `studio up` shows the graph and answers questions over HTTP."))
    elif outcome.status == REFUSED and outcome.refusal:
        click.secho(f"\n{outcome.refusal}", fg="red", err=True)
    else:
        click.secho(f"\nThe run {outcome.verdict}.", fg="red", err=True)
    for problem in outcome.problems:
        click.echo(indented(problem), err=outcome.status != PUBLISHED)


def print_evaluation(summary: Mapping[str, float]) -> None:
    """Print WAPE of revenue per span against the baselines, and coverage of the intervals.

    If the months were too few for a backtest, print one sentence instead.
    """
    if not any(f"revenue_wape_{span}_{name}" in summary for span in SPANS for name in CANDIDATES):
        click.echo("\nThe months are too few for a backtest: how good this model is can't be said yet.")
        return
    click.echo("\nRevenue in the backtest: error as a share of revenue (WAPE), by months ahead")
    _print_errors(summary)
    if "effects_partial" in summary:
        off, right = summary["effects_partial"], summary.get("signs_partial", math.nan)
        off_by = f"off by {off:.0%} (no effect at all: 100%), sign right in {right:.0%}"
        click.echo(f"\nEffect of one lever on revenue, beside the generator's truth: {off_by}")
    if idle := learners_without_weight(summary):
        click.echo(f"\n{idle}")


def _print_errors(summary: Mapping[str, float]) -> None:
    click.echo(f"  {'':<28}" + "".join(f"{span:>9}" for span in SPANS))
    for name, label in SHOWN.items():
        values = [summary.get(name.format(span=span)) for span in SPANS]
        if any(value is not None for value in values):
            shares = (f"{'-':>9}" if value is None else f"{value:>9.1%}" for value in values)
            click.echo(f"  {label:<28}{''.join(shares)}")


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


FINDINGS = ("fit_to_publish", "new_model_published")
"""Checks that repeat the release decision and its findings; left out of the warnings of a refusal."""

SHOWN_LINES = 8


class Progress:
    """Prints the events of one run as lines, and notes in its outcome what they say."""

    def __init__(self, outcome: Outcome) -> None:
        self.blocking_failures: list[str] = []  # findings of each check that stopped the run
        self._outcome = outcome
        self._warnings: list[str] = []
        self._rows: dict[str, int] = {}
        self._check_seconds = 0.0

    def __call__(self, entry: dg.EventLogEntry) -> None:
        """Handle an event of the run."""
        event = entry.dagster_event
        if event is None:
            return
        if event.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION:
            self._materialised(event)
        elif event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            self._checked(event.asset_check_evaluation_data)
        elif event.event_type is dg.DagsterEventType.STEP_SUCCESS:
            self._step_ended(event)

    def end(self) -> None:
        """Print the time of the checks, and note the warnings that don't repeat a refusal's findings."""
        repeated = FINDINGS if self._outcome.refusal else ()
        self._outcome.problems += [text for text in self._warnings if not text.startswith(repeated)]
        click.echo(f"  {'checks':<44} {self._check_seconds:6.1f} s")

    def _materialised(self, event: dg.DagsterEvent) -> None:
        materialization = event.step_materialization_data.materialization
        name = materialization.asset_key.to_user_string()
        metadata = {key: value.value for key, value in materialization.metadata.items()}
        rows = metadata.get("dagster/row_count")
        self._rows[name] = rows if isinstance(rows, int) else -1
        if name == "evaluation_report":
            figures = {key: value for key, value in metadata.items() if isinstance(value, float)}
            self._outcome.evaluation = figures
        if name == "registered_model" and metadata["decision_kind"] == "nothing_new":
            self._outcome.nothing_new = str(metadata["decision"])
        elif name == "registered_model" and not metadata["model_promoted"]:
            self._outcome.refusal = refusal(metadata)

    def _checked(self, evaluation: Any) -> None:
        if evaluation.passed:
            return
        blocks = evaluation.blocking and evaluation.severity is dg.AssetCheckSeverity.ERROR
        check = f"{evaluation.check_name} of {evaluation.asset_key.to_user_string()}"
        text = finding(check, evaluation.description)
        (self.blocking_failures if blocks else self._warnings).append(text)

    def _step_ended(self, event: dg.DagsterEvent) -> None:
        seconds = event.step_success_data.duration_ms / 1000
        if not self._rows:
            self._check_seconds += seconds
            return
        names = ", ".join(self._rows)
        rows = ", ".join(f"{count:,}" for count in self._rows.values() if count >= 0)
        self._rows = {}
        click.echo(f"  {names:<44} {seconds:6.1f} s" + (f"   {rows} rows" if rows else ""))


def finding(check: str, description: str | None) -> str:
    """Findings of a check: a single one on the check's line, otherwise the first ones as a list below it."""
    lines = [line.removeprefix("- ") for line in (description or "failed").splitlines()]
    if len(lines) == 1:
        return f"{check}: {lines[0]}"
    more = [f"... and {len(lines) - SHOWN_LINES} more"] if len(lines) > SHOWN_LINES else []
    return "\n  - ".join([f"{check}:", *lines[:SHOWN_LINES], *more])


def refusal(decision: Mapping[str, Any]) -> str:
    """Text on the reasons of a refusal and the model that stays, from the metadata of `registered_model`."""
    challenged = decision["decision_kind"] == "challenge_refused"
    what = "The changed recipe" if challenged else "The new model"
    refitted = decision["answers"] == "refit"
    goes_on = "The recipe of before goes on, as model" if refitted else "Model"
    verb = "" if refitted else " goes on"
    now = "now with the new months" if decision["published"] else "with the same months as before"
    challenger = decision["challenger_model_version"]
    beside = f" Model {challenger} is kept as its challenger." if challenger else ""
    return (
        f"{what} is refused: {decision['findings']}."
        f" {goes_on} {decision['model_version']}{verb}, {now} (release {decision['release']}).{beside}"
    )
