"""What Dagster remembers of runs of the whole graph: which content each read, and how it ended."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
from dagster import DagsterEventType, DagsterRunStatus, RunRecord

from studio_pipeline.assets.raw_data import LANDING_DIGEST
from studio_pipeline.automation.decision import Attempt, RunEnd
from studio_pipeline.automation.jobs import REFRESH_RELEASE
from studio_pipeline.automation.tags import DIGEST_TAG
from studio_pipeline.errors import RunInProgressError

LOOKED_AT = 20
"""Runs and materialisations that are looked at, newest first."""

FIRST, LAST = dg.AssetKey("raw_studio_months"), dg.AssetKey("registered_model")
_ENDS = {
    DagsterRunStatus.SUCCESS: RunEnd.SUCCEEDED,
    DagsterRunStatus.CANCELED: RunEnd.CANCELED,
}


def attempts_of(instance: dg.DagsterInstance) -> list[Attempt]:
    """Runs that went from the landing folder to a release, or were to; newest first."""
    read = {
        record.run_id: str(record.asset_materialization.metadata[LANDING_DIGEST].value)
        for record in instance.fetch_materializations(FIRST, limit=LOOKED_AT).records
        if record.asset_materialization and LANDING_DIGEST in record.asset_materialization.metadata
    }
    records = {record.dagster_run.run_id: record for record in _records(instance, list(read))}
    attempts = [
        _attempt(instance, record, read) for record in records.values() if is_whole(record.dagster_run)
    ]
    return sorted(attempts, key=lambda attempt: attempt.started_at, reverse=True)


def _records(instance: dg.DagsterInstance, run_ids: list[str]) -> Iterator[RunRecord]:
    yield from instance.get_run_records(dg.RunsFilter(job_name=REFRESH_RELEASE), limit=LOOKED_AT)
    if run_ids:
        yield from instance.get_run_records(dg.RunsFilter(run_ids=run_ids))


def is_whole(run: dg.DagsterRun) -> bool:
    """Whether a run goes from the landing folder to a release; one that only reads files makes none."""
    selected = run.asset_selection
    return (run.job_name == REFRESH_RELEASE and not selected) or bool(selected and {FIRST, LAST} <= selected)


def _attempt(instance: dg.DagsterInstance, record: RunRecord, read: dict[str, str]) -> Attempt:
    run = record.dagster_run
    return Attempt(
        run_id=run.run_id,
        end=end_of(instance, run),
        digest=read.get(run.run_id, run.tags.get(DIGEST_TAG, "")),
        started_at=record.start_time or record.create_timestamp.timestamp(),
        ended_at=record.end_time,
    )


def end_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> RunEnd:
    """How a run stands."""
    if not run.is_finished:
        return RunEnd.UNFINISHED
    if run.status in _ENDS:
        return _ENDS[run.status]
    failures = instance.get_records_for_run(
        run.run_id, of_type={DagsterEventType.RUN_FAILURE, DagsterEventType.STEP_FAILURE}
    ).records
    errors = [error for record in failures for error in _errors(record.event_log_entry.dagster_event)]
    if RunInProgressError.__name__ in errors:
        return RunEnd.CROWDED_OUT
    return RunEnd.FAILED if errors else RunEnd.INTERRUPTED


def _errors(event: dg.DagsterEvent | None) -> list[str]:
    """Class names of an event's error and its causes; none where a run was only declared dead."""
    error = getattr(event.event_specific_data, "error", None) if event else None
    names = []
    while error is not None:
        names.append(str(error.cls_name))
        error = error.cause
    return names
