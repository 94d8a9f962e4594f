"""What a run that ended says: of its checks, of the release, and of itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from studio_pipeline.alerting.conditions import Observation
from studio_pipeline.alerting.run_words import (
    REFUSED_KINDS,
    CheckVerdict,
    check_observation,
    decision_observation,
    job_observation,
)
from studio_pipeline.automation.jobs import REFRESH_RELEASE

BY_HAND = "__ASSET_JOB"
REGISTERED_MODEL = dg.AssetKey("registered_model")
ENDED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
MOST_ROWS = 5
"""Rows of a table of failures that an alert shows."""


def observe_run(instance: dg.DagsterInstance, run: dg.DagsterRun, link: str) -> list[Observation]:
    """Everything a run that ended says, in order: its checks, its decision on the release, its own end."""
    failing = run.status is not dg.DagsterRunStatus.SUCCESS
    # A whole run makes what a person made by hand, so it ends what failed there too.
    jobs = [run.job_name] if failing or run.job_name != REFRESH_RELEASE else [run.job_name, BY_HAND]
    return [
        *_observe_checks(instance, run, link),
        *_observe_decisions(instance, run, link),
        *(
            job_observation(
                job,
                failing=failing,
                canceled=run.status is dg.DagsterRunStatus.CANCELED,
                reason=_failure_of(instance, run),
                link=link,
            )
            for job in jobs
        ),
    ]


def _events(instance: dg.DagsterInstance, run: dg.DagsterRun, kind: dg.DagsterEventType) -> Iterator[Any]:
    """The events of one kind, in order."""
    for record in instance.get_records_for_run(run.run_id, of_type=kind).records:
        event = record.event_log_entry.dagster_event
        if event is not None:
            yield event


def _observe_checks(instance: dg.DagsterInstance, run: dg.DagsterRun, link: str) -> Iterator[Observation]:
    for event in _events(instance, run, dg.DagsterEventType.ASSET_CHECK_EVALUATION):
        evaluation = event.asset_check_evaluation_data
        metadata = {name: value.value for name, value in evaluation.metadata.items()}
        verdict = CheckVerdict(
            asset=evaluation.asset_key.to_user_string(),
            check=evaluation.check_name,
            passed=evaluation.passed,
            is_error=evaluation.severity is dg.AssetCheckSeverity.ERROR,
            description=evaluation.description or "",
            alarm=str(metadata.get("alarm") or ""),
            rows=_first_rows(evaluation.metadata),
        )
        yield check_observation(verdict, link)


def _first_rows(metadata: Mapping[str, dg.MetadataValue]) -> list[dict[str, Any]]:
    """The first rows of the first table among the metadata that has any."""
    for value in metadata.values():
        if isinstance(value, dg.TableMetadataValue) and value.records:
            return [dict(record.data) for record in value.records[:MOST_ROWS]]
    return []


def _observe_decisions(instance: dg.DagsterInstance, run: dg.DagsterRun, link: str) -> Iterator[Observation]:
    for event in _events(instance, run, dg.DagsterEventType.ASSET_MATERIALIZATION):
        if event.asset_key != REGISTERED_MODEL:
            continue
        metadata = {name: value.value for name, value in event.materialization.metadata.items()}
        kind = metadata.get("decision_kind")
        if kind is None and "model_promoted" in metadata:
            kind = "refresh_published" if metadata["model_promoted"] else REFUSED_KINDS[0]
        if kind not in (None, "nothing_new"):
            yield decision_observation(str(kind), str(metadata.get("decision") or ""), link)


def _failure_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """Where and why a run failed, in the words of its innermost error; empty where it did not."""
    if run.status is not dg.DagsterRunStatus.FAILURE:
        return ""
    for event in _events(instance, run, dg.DagsterEventType.STEP_FAILURE):
        error = event.step_failure_data.error
        while error is not None and error.cause is not None:
            error = error.cause
        message = error.message.strip() if error is not None else "No reason is known."
        return f"{event.step_key}: {message}"
    failures = _events(instance, run, dg.DagsterEventType.RUN_FAILURE)
    return next((event.message for event in failures if event.message), "No reason is known.")
