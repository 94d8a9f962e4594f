"""Sensors for alerts: one writes observations of runs and of the calendar to the outbox, one delivers them.

Runs are read from the run storage instead of by run-status sensors: these miss runs executed in another
process (`studio run`), and one sensor per status could report a recovery before its failure. Conditions,
messages and the outbox are in the package `alerting`, the channels in `resources.notifiers`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg

from studio_pipeline.alerting.conditions import (
    AlertConfig,
    Observation,
    PublishedState,
    heartbeat,
    is_heartbeat_due,
    observe_lateness,
)
from studio_pipeline.alerting.delivery import Notifier, deliver
from studio_pipeline.alerting.outbox import Outbox, Report
from studio_pipeline.alerting.run_observations import (
    REFUSED_KINDS,
    CheckVerdict,
    check_observation,
    decision_observation,
    job_observation,
)
from studio_pipeline.automation.jobs import REFRESH_RELEASE
from studio_pipeline.configuration import read_configuration
from studio_pipeline.errors import ChannelError, NoReleaseError
from studio_pipeline.publishing.releases import current_release
from studio_pipeline.resources.notifiers import notifiers_of
from studio_pipeline.settings import Settings, read_settings

BY_HAND = "__ASSET_JOB"
REGISTERED_MODEL = dg.AssetKey("registered_model")
ENDED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
MOST_ROWS = 5
"""Rows of a table of failures that an alert shows."""


def observe_run(instance: dg.DagsterInstance, run: dg.DagsterRun, link: str) -> list[Observation]:
    """Observations of a finished run, in order: its checks, its release decision, its own end."""
    failing = run.status is not dg.DagsterRunStatus.SUCCESS
    # A whole run covers the assets of runs launched by hand, so its success also ends their failures.
    jobs = [run.job_name] if failing or run.job_name != REFRESH_RELEASE else [run.job_name, BY_HAND]
    canceled, reason = run.status is dg.DagsterRunStatus.CANCELED, _failure_of(instance, run)
    ends = [
        job_observation(job, failing=failing, canceled=canceled, reason=reason, link=link) for job in jobs
    ]
    return [*_observe_checks(instance, run, link), *_observe_decisions(instance, run, link), *ends]


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
    """Step and innermost error message of a failed run; empty if it did not fail."""
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


INTERVAL_SECONDS = 5
FIRST_LOOK_BACK = timedelta(days=1)
"""Runs that ended within this time before the first tick are reported."""

OVERLAP = timedelta(minutes=15)
"""Runs are read again from this long before the last one seen, as processes commit out of order."""

MOST_RUNS_PER_TICK = 50
SEEN_UNTIL, HEARTBEAT_ON = "runs_seen_until", "heartbeat_on"


def watch_runs(
    instance: dg.DagsterInstance, settings: Settings, channels: list[str], now: datetime, rules: AlertConfig
) -> int:
    """Write every finished run not yet in the outbox, in the order of their ends; returns their number."""
    outbox = Outbox(settings.home)
    mark = outbox.mark(SEEN_UNTIL)
    seen_until = datetime.fromisoformat(mark) if mark else now - FIRST_LOOK_BACK + OVERLAP
    filters = dg.RunsFilter(statuses=list(ENDED), updated_after=seen_until - OVERLAP)
    records = {_source(record): record for record in instance.get_run_records(filters)}
    taken = outbox.has_taken(records)
    fresh = sorted(
        (record for name, record in records.items() if name not in taken),
        key=lambda record: record.end_time or _aware(record.update_timestamp).timestamp(),
    )
    repeat = timedelta(hours=rules.repeat_after_hours)
    for record in fresh[:MOST_RUNS_PER_TICK]:
        run = record.dagster_run
        observations = observe_run(instance, run, f"{settings.dagster_url.rstrip('/')}/runs/{run.run_id}")
        outbox.take(Report(_source(record), observations), channels, now, repeat)
    newest = max((_aware(record.update_timestamp) for record in records.values()), default=seen_until)
    if len(fresh) <= MOST_RUNS_PER_TICK and (newest > seen_until or mark is None):
        outbox.take(Report(marks={SEEN_UNTIL: newest.isoformat()}), channels, now)
    return len(fresh)


def _source(record: dg.RunRecord) -> str:
    return f"run:{record.dagster_run.run_id}:{record.dagster_run.status.value}"


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def watch_calendar(
    instance: dg.DagsterInstance, settings: Settings, channels: list[str], now: datetime, rules: AlertConfig
) -> None:
    """Write late data, and the day's heartbeat if due, to the outbox; generated months are never late."""
    outbox = Outbox(settings.home)
    state = None
    with suppress(NoReleaseError):
        release = current_release(settings.home)
        model = (release.version, release.model_version)
        state = PublishedState(*model, release.last_month, release.published_at)
        if release.source == "landing":
            report = Report(observations=[observe_lateness(state, now.date(), rules)])
            outbox.take(report, channels, now, timedelta(hours=rules.repeat_after_hours))
    last = outbox.mark(HEARTBEAT_ON)
    if is_heartbeat_due(date.fromisoformat(last) if last else None, now, rules.heartbeat_hour):
        titles = [condition.title for condition in outbox.open_conditions()]
        message = heartbeat(state, _last_run(instance), titles, settings.dagster_url)
        day = now.date().isoformat()
        report = Report(f"heartbeat:{day}", messages=[message], marks={HEARTBEAT_ON: day})
        outbox.take(report, channels, now)
        outbox.prune(channels, now)


def _last_run(instance: dg.DagsterInstance) -> str:
    records = instance.get_run_records(limit=1)
    if not records:
        return "No run yet."
    run, begun = records[0].dagster_run, _aware(records[0].create_timestamp)
    return f"Last run: {run.job_name} of {begun:%Y-%m-%d %H:%M} UTC, {run.status.value.lower()}."


def alert_sensors(
    read: Callable[[], Settings] = read_settings,
    channels_of: Callable[[Settings], list[Notifier]] = notifiers_of,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> list[dg.SensorDefinition]:
    """Build the two sensors, running by default; settings are read at each tick, and the clock is UTC."""

    @dg.sensor(
        name="alerts",
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Writes failed checks and runs, refusals, late data and the heartbeat into the outbox.",
    )
    def alerts(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        settings = read()
        rules = read_configuration(settings.config).alerts
        names = [channel.name for channel in channels_of(settings)]
        count = watch_runs(context.instance, settings, names, clock(), rules)
        watch_calendar(context.instance, settings, names, clock(), rules)
        return dg.SkipReason(f"{count} runs ended since the last look." if count else "Nothing new.")

    @dg.sensor(
        name="alert_delivery",
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Gives each channel what waits in the outbox; fails where a channel does not take it.",
    )
    def alert_delivery(_: dg.SensorEvaluationContext) -> dg.SkipReason:
        settings = read()
        outbox = Outbox(settings.home)
        failures = deliver(outbox, channels_of(settings), clock)
        if failures:
            raise ChannelError("\n".join(failures), "What waits is kept, and sent when the channel works.")
        broken = ", ".join(outbox.outages())
        return dg.SkipReason(f"Waiting before the next try: {broken}." if broken else "Nothing waits.")

    return [alerts, alert_delivery]
