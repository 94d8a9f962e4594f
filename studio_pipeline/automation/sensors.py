"""Sensors on the landing folder and on alarms; schedules of refresh, monitoring and tuning, in UTC.

They collect facts; whether a run is requested, and of which job, is decided in `decisions`. Files are scanned
in `panel.ingest.folder_scan`, alarms are read from the results of asset checks; `alerts` notifies of them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from studio_pipeline.automation.decisions import (
    MOST_TRIES,
    RETRIED,
    AlarmFacts,
    Jobs,
    LandingFacts,
    RunDecision,
    RunEnd,
    decide_alarm,
    decide_landing,
    decide_monthly,
)
from studio_pipeline.automation.jobs import (
    ALARMS_TAG,
    REFRESH_RELEASE,
    TRIGGER_TAG,
    TUNE_LEARNERS,
    monitor_release,
    refresh_release,
    run_tags,
    tune_learners,
)
from studio_pipeline.automation.run_history import LOOKED_AT, attempts_of, end_of
from studio_pipeline.errors import StudioError
from studio_pipeline.panel.ingest.folder_scan import (
    FolderSnapshot,
    changes_in_words,
    look_at,
    look_from_json,
    look_to_json,
    readable_digest,
)
from studio_pipeline.settings import Settings, check_landing_dir


@dataclass(frozen=True)
class Memory:
    """Cursor of the landing sensor: saves rehashing and describes changes; decisions don't depend on it."""

    look: FolderSnapshot = field(default_factory=FolderSnapshot)
    accepted: dict[str, str] = field(default_factory=dict)  # SHA-256 by name, last read or requested

    def to_cursor(self) -> str:
        """Serialise as JSON."""
        return json.dumps({"files": look_to_json(self.look), "accepted": self.accepted})

    @staticmethod
    def from_cursor(cursor: str | None) -> Memory:
        """Parse a cursor; empty if there is none, or it has another version's format."""
        try:
            value = json.loads(cursor or "{}")
            return Memory(look_from_json(value["files"]), dict(value["accepted"]))
        except (KeyError, TypeError, ValueError):
            return Memory()


@dg.sensor(
    name="landing_folder",
    job=refresh_release,
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Looks for new, changed and removed files and maps, by content, once they are complete.",
)
def landing_folder(context: dg.SensorEvaluationContext, settings: dg.ResourceParam[Settings]) -> Any:
    """Scan the folder, decide, and store the snapshot in the cursor."""
    memory = Memory.from_cursor(context.cursor)
    facts, look = take_look(context.instance, settings, memory, time.time())
    decision = decide_landing(facts, REFRESH_RELEASE)
    context.update_cursor(next_memory(memory, look, facts, decision).to_cursor())
    if decision.job is None:
        return dg.SkipReason(decision.reason)
    return dg.RunRequest(tags=run_tags("landing", decision.reason, landing_digest=facts.digest))


def take_look(
    instance: dg.DagsterInstance, settings: Settings, memory: Memory, now: float
) -> tuple[LandingFacts, FolderSnapshot]:
    """Facts for the decision, and the snapshot to store."""
    attempts = attempts_of(instance)
    try:
        check_landing_dir(settings)
        look = look_at(settings.landing_dir, memory.look, now)
    except StudioError as error:
        return LandingFacts("", 0, attempts, now, fault=str(error)), memory.look
    facts = LandingFacts(
        digest=look.digest,
        files=len(look.files),
        attempts=attempts,
        now=now,
        changes=changes_in_words(memory.accepted, look.contents),
        unsettled=look.unsettled,
        temporary=look.temporary,
    )
    return facts, look


def next_memory(memory: Memory, look: FolderSnapshot, facts: LandingFacts, decision: RunDecision) -> Memory:
    """The new snapshot; its content is accepted if a run is requested for it or the newest run read it."""
    known = any(attempt.digest == facts.digest for attempt in facts.attempts[:1])
    accepted = decision.job is not None or (known and not facts.fault and not facts.unsettled)
    return Memory(look, look.contents if accepted else memory.accepted)


@dg.schedule(
    name="monthly_refresh",
    job=refresh_release,
    cron_schedule="0 6 3 * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="On the third of each month, when the month before is closed.",
)
def monthly_refresh(context: dg.ScheduleEvaluationContext, settings: dg.ResourceParam[Settings]) -> Any:
    """Request a refresh, unless one has read the same files since the month began."""
    now = context.scheduled_execution_time.astimezone(UTC)
    digest = readable_digest(settings.landing_dir)
    decision = decide_monthly(now, digest, attempts_of(context.instance), REFRESH_RELEASE)
    if decision.job is None:
        return dg.SkipReason(decision.reason)
    return dg.RunRequest(tags=run_tags("schedule", decision.reason, landing_digest=digest))


@dg.schedule(
    name="daily_monitoring",
    job=monitor_release,
    cron_schedule="0 5 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every morning: how the forecasts compare with what happened, and whether the data drift.",
)
def daily_monitoring() -> Any:
    """Request the monitoring assets and their checks."""
    reason = "Daily monitoring: forecasts meet the months that have arrived, and drift is tested."
    return dg.RunRequest(tags=run_tags("schedule", reason))


quarterly_tuning = dg.ScheduleDefinition(
    name="quarterly_tuning",
    job=tune_learners,
    cron_schedule="0 2 10 1,4,7,10 *",
    description="On the tenth of each quarter's first month, in the night.",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)


WATCHED = (
    dg.AssetCheckKey(dg.AssetKey("drift_report"), "no_drift"),
    dg.AssetCheckKey(dg.AssetKey("forecast_accuracy"), "errors_as_promised"),
)
ALARM = "alarm"
"""Metadata of these checks: a text that is unchanged while the same alarm stands; "" for none."""

EVALUATIONS = 5
"""Check records read to find the last evaluation behind planned ones that never ran."""


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
    """Time at which each standing alarm was first seen, seconds since 1970; ended alarms are dropped.

    The cursor is the result of an earlier call as JSON; anything else counts as empty.
    """
    try:
        known = {str(text): float(since) for text, since in json.loads(cursor or "{}").items()}
    except (AttributeError, TypeError, ValueError):
        known = {}
    return {text: known.get(text, now) for text in alarms}


def acted_on(instance: dg.DagsterInstance, since: Mapping[str, float]) -> frozenset[str]:
    """Alarms that a run was already requested for since they began.

    Runs that were crowded out or killed do not count until there are `MOST_TRIES` for the alarm.
    """
    records = instance.get_run_records(dg.RunsFilter(tags={TRIGGER_TAG: "drift"}), limit=LOOKED_AT)
    ends: dict[str, list[RunEnd]] = {text: [] for text in since}
    for record in records:
        end = end_of(instance, record.dagster_run)
        for text in json.loads(record.dagster_run.tags.get(ALARMS_TAG, "[]")):
            if text in since and record.create_timestamp.timestamp() >= since[text]:
                ends[text].append(end)
    settled = {text: any(end not in RETRIED for end in found) for text, found in ends.items()}
    return frozenset(text for text, found in ends.items() if settled[text] or len(found) >= MOST_TRIES)


def tuned_at(instance: dg.DagsterInstance) -> float | None:
    """End of the newest successful tuning run requested by an alarm, seconds since 1970; None without one."""
    succeeded = [dg.DagsterRunStatus.SUCCESS]
    wanted = dg.RunsFilter(job_name=TUNE_LEARNERS, tags={TRIGGER_TAG: "drift"}, statuses=succeeded)
    records = instance.get_run_records(wanted, limit=1)
    return records[0].end_time if records else None


def drift_sensor(jobs: Sequence[Any]) -> dg.SensorDefinition:
    """Build the sensor `drift_or_error`; without `tune_learners` among the jobs, no tuning is requested."""
    asked_for = [job for job in jobs if job.name in (REFRESH_RELEASE, TUNE_LEARNERS)]
    tune = next((job.name for job in asked_for if job.name == TUNE_LEARNERS), None)

    @dg.sensor(
        name="drift_or_error",
        jobs=asked_for,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Acts once on each alarm of the checks `no_drift` and `errors_as_promised`.",
    )
    def drift_or_error(context: dg.SensorEvaluationContext, settings: dg.ResourceParam[Settings]) -> Any:
        now = time.time()
        alarms = standing_alarms(context.instance)
        since = begun(alarms.values(), context.cursor, now)
        context.update_cursor(json.dumps(since))
        facts = alarm_facts(context.instance, settings, alarms, acted_on(context.instance, since), now)
        decision = decide_alarm(facts, Jobs(REFRESH_RELEASE, tune))
        if decision.job is None:
            return dg.SkipReason(decision.reason)
        tags = run_tags("drift", decision.reason, alarms=json.dumps(sorted(alarms.values())))
        return dg.RunRequest(job_name=decision.job, tags=tags)

    return drift_or_error


def alarm_facts(
    instance: dg.DagsterInstance,
    settings: Settings,
    alarms: dict[str, str],
    acted: frozenset[str],
    now: float,
) -> AlarmFacts:
    """Facts for the decision; without a standing alarm the run history is not queried."""
    if not alarms:
        return AlarmFacts({}, acted, "", 0.0, ())
    today, tunings = datetime.fromtimestamp(now, UTC), dg.RunsFilter(job_name=TUNE_LEARNERS)
    return AlarmFacts(
        alarms=alarms,
        acted_on=acted,
        digest=readable_digest(settings.landing_dir),
        month=datetime(today.year, today.month, 1, tzinfo=UTC).timestamp(),
        attempts=attempts_of(instance),
        tuned_at=tuned_at(instance),
        tuning=any(not run.is_finished for run in instance.get_runs(tunings, limit=LOOKED_AT)),
    )
