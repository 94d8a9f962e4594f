"""Progress of a run as lines: one an asset, with its seconds and rows; and the checks that failed."""

from __future__ import annotations

from typing import Any

import click
import dagster as dg

EVALUATION = "evaluation_report"
DECISION = "registered_model"


class Progress:
    """Listens to the events of one run.

    Attributes:
        evaluation: numbers of the evaluation, once it is there.
        warnings: one sentence a check that failed, or a model that was refused.
        blocking_failures: one sentence a check that stopped the run.
    """

    def __init__(self) -> None:
        self.evaluation: dict[str, float] = {}
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
        """Say what the checks took."""
        click.echo(f"  {'checks':<44} {self._check_seconds:6.1f} s")

    def _materialised(self, event: dg.DagsterEvent) -> None:
        materialization = event.step_materialization_data.materialization
        name = materialization.asset_key.to_user_string()
        metadata = {key: value.value for key, value in materialization.metadata.items()}
        rows = metadata.get("dagster/row_count")
        self._rows[name] = rows if isinstance(rows, int) else -1
        if name == EVALUATION:
            self.evaluation = {key: value for key, value in metadata.items() if isinstance(value, float)}
        if name == DECISION and not metadata["model_promoted"]:
            self.warnings.append(str(metadata["decision"]))

    def _checked(self, evaluation: Any) -> None:
        if evaluation.passed:
            return
        asset = evaluation.asset_key.to_user_string()
        sentence = f"{evaluation.check_name} of {asset}: {evaluation.description or 'failed'}"
        blocks = evaluation.blocking and evaluation.severity is dg.AssetCheckSeverity.ERROR
        (self.blocking_failures if blocks else self.warnings).append(sentence)

    def _step_ended(self, event: dg.DagsterEvent) -> None:
        seconds = event.step_success_data.duration_ms / 1000
        if not self._rows:
            self._check_seconds += seconds
            return
        names = ", ".join(self._rows)
        rows = ", ".join(f"{count:,}" for count in self._rows.values() if count >= 0)
        self._rows = {}
        click.echo(f"  {names:<44} {seconds:6.1f} s" + (f"   {rows} rows" if rows else ""))
