"""Progress of a run: listener on Dagster events that prints a line per asset and collects failed checks.

The summary after the run is printed in `outcome`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click
import dagster as dg

EVALUATION = "evaluation_report"
DECISION = "registered_model"
FINDINGS = ("fit_to_publish", "new_model_published")
"""Checks that repeat the release decision and its findings; left out of the warnings of a refusal."""

NOTHING_NEW = "nothing_new"
SHOWN_LINES = 8


class Progress:
    """Listens to the events of one run.

    Attributes:
        evaluation: numbers of the evaluation, once it is materialised.
        refusal: text on a refused model and the release that stays; else empty.
        nothing_new: reason why no release was needed; else empty.
        warnings: findings of each check that failed without stopping the run.
        blocking_failures: findings of each check that stopped the run.
    """

    def __init__(self) -> None:
        self.evaluation: dict[str, float] = {}
        self.refusal = ""
        self.nothing_new = ""
        self.warnings: list[str] = []
        self.blocking_failures: list[str] = []
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
        """Print the time of the checks; after a refusal, drop warnings that repeat its findings."""
        if self.refusal:
            self.warnings = [warning for warning in self.warnings if not warning.startswith(FINDINGS)]
        click.echo(f"  {'checks':<44} {self._check_seconds:6.1f} s")

    def _materialised(self, event: dg.DagsterEvent) -> None:
        materialization = event.step_materialization_data.materialization
        name = materialization.asset_key.to_user_string()
        metadata = {key: value.value for key, value in materialization.metadata.items()}
        rows = metadata.get("dagster/row_count")
        self._rows[name] = rows if isinstance(rows, int) else -1
        if name == EVALUATION:
            self.evaluation = {key: value for key, value in metadata.items() if isinstance(value, float)}
        if name == DECISION and metadata["decision_kind"] == NOTHING_NEW:
            self.nothing_new = str(metadata["decision"])
        elif name == DECISION and not metadata["model_promoted"]:
            self.refusal = refusal(metadata)

    def _checked(self, evaluation: Any) -> None:
        if evaluation.passed:
            return
        blocks = evaluation.blocking and evaluation.severity is dg.AssetCheckSeverity.ERROR
        text = finding(
            f"{evaluation.check_name} of {evaluation.asset_key.to_user_string()}", evaluation.description
        )
        (self.blocking_failures if blocks else self.warnings).append(text)

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
    beside = (
        f" Model {challenger} is kept as its challenger."
        if (challenger := decision["challenger_model_version"])
        else ""
    )
    return (
        f"{what} is refused: {decision['findings']}."
        f" {goes_on} {decision['model_version']}{verb}, {now} (release {decision['release']}).{beside}"
    )
