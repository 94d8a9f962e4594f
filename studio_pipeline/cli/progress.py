"""Progress of a run: a line per asset, and the checks that failed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click
import dagster as dg

EVALUATION = "evaluation_report"
DECISION = "registered_model"
FINDINGS = ("fit_to_publish", "new_model_published")
"""The checks that show the decision and what it rests on: beside a refusal they would say the same again."""

NOTHING_NEW = "nothing_new"
SHOWN_LINES = 8


class Progress:
    """Listens to the events of one run.

    Attributes:
        evaluation: numbers of the evaluation, once it is there.
        refusal: what became of the model and the months, where the model was refused; else empty.
        nothing_new: why nothing was published, where there was no need to; else empty.
        warnings: what each check found that failed without stopping the run.
        blocking_failures: what each check found that stopped the run.
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
        """Take an event."""
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
        """Say what the checks took; a refusal has told its findings."""
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
        told = finding(
            f"{evaluation.check_name} of {evaluation.asset_key.to_user_string()}", evaluation.description
        )
        (self.blocking_failures if blocks else self.warnings).append(told)

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
    """What a check found: on its line if it is one, else the first of them as a list below it."""
    lines = [line.removeprefix("- ") for line in (description or "failed").splitlines()]
    if len(lines) == 1:
        return f"{check}: {lines[0]}"
    more = [f"... and {len(lines) - SHOWN_LINES} more"] if len(lines) > SHOWN_LINES else []
    return "\n  - ".join([f"{check}:", *lines[:SHOWN_LINES], *more])


def refusal(decision: Mapping[str, Any]) -> str:
    """Why the model was refused, and what answers now, from the metadata of `registered_model`."""
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
