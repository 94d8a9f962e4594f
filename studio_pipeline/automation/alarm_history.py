"""What Dagster remembers of alarms: which stand, and which runs were asked for over them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

import dagster as dg

from studio_pipeline.automation.decision import RETRIED, RunEnd
from studio_pipeline.automation.jobs import TUNE_LEARNERS
from studio_pipeline.automation.landing_decision import MOST_TRIES
from studio_pipeline.automation.run_history import LOOKED_AT, end_of
from studio_pipeline.automation.tags import ALARMS_TAG, TRIGGER_TAG

WATCHED = (
    dg.AssetCheckKey(dg.AssetKey("drift_report"), "no_drift"),
    dg.AssetCheckKey(dg.AssetKey("forecast_accuracy"), "errors_as_promised"),
)
ALARM = "alarm"
"""Metadata of these checks: a text that stays the same as long as the alarm is the same; "" for none."""

EVALUATIONS = 5
"""How far back the last evaluation is looked for behind those that were planned and never came."""


def standing_alarms(instance: dg.DagsterInstance) -> dict[str, str]:
    """The text of each standing alarm, by the name of its check."""
    texts = {key.name: _latest_alarm(instance, key) for key in WATCHED}
    return {name: text for name, text in texts.items() if text}


def _latest_alarm(instance: dg.DagsterInstance, key: dg.AssetCheckKey) -> str:
    history = instance.event_log_storage.get_asset_check_execution_history(key, limit=EVALUATIONS)
    for record in history:
        event = record.event.dagster_event if record.event else None
        if event and event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            alarm = event.asset_check_evaluation_data.metadata.get(ALARM)
            return str(alarm.value) if alarm else ""
    return ""


def begun(alarms: Iterable[str], cursor: str | None, now: float) -> dict[str, float]:
    """When each standing alarm was first seen, seconds since 1970; one that ceased is forgotten.

    Args:
        alarms: the texts of those that stand.
        cursor: what an earlier call answered, as JSON; anything else counts as nothing.
        now: seconds since 1970.
    """
    try:
        known = {str(text): float(since) for text, since in json.loads(cursor or "{}").items()}
    except (AttributeError, TypeError, ValueError):
        known = {}
    return {text: known.get(text, now) for text in alarms}


def acted_on(instance: dg.DagsterInstance, since: Mapping[str, float]) -> frozenset[str]:
    """Alarms that a run was asked for since they began, and that did not come to nothing.

    A run that met another one, or was killed, is none; after a few of these no more are asked for.
    """
    records = instance.get_run_records(dg.RunsFilter(tags={TRIGGER_TAG: "drift"}), limit=LOOKED_AT)
    ends: dict[str, list[RunEnd]] = {text: [] for text in since}
    for record in records:
        end = end_of(instance, record.dagster_run)
        for text in json.loads(record.dagster_run.tags.get(ALARMS_TAG, "[]")):
            if text in since and record.create_timestamp.timestamp() >= since[text]:
                ends[text].append(end)
    return frozenset(text for text, found in ends.items() if _came_to_something(found))


def _came_to_something(ends: Sequence[RunEnd]) -> bool:
    return len(ends) >= MOST_TRIES or any(end not in RETRIED for end in ends)


def tuned_at(instance: dg.DagsterInstance) -> float | None:
    """When the newest tuning run that an alarm asked for ended well, seconds since 1970."""
    wanted = dg.RunsFilter(
        job_name=TUNE_LEARNERS, tags={TRIGGER_TAG: "drift"}, statuses=[dg.DagsterRunStatus.SUCCESS]
    )
    records = instance.get_run_records(wanted, limit=1)
    return records[0].end_time if records else None


def is_tuning(instance: dg.DagsterInstance) -> bool:
    """Whether a tuning run is queued or going on."""
    runs = instance.get_runs(dg.RunsFilter(job_name=TUNE_LEARNERS), limit=LOOKED_AT)
    return any(not run.is_finished for run in runs)
