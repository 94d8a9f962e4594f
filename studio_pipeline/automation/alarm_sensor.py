"""The sensor on drift and errors: a new alarm of the monitoring asks for a refit, or for a changed recipe."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from studio_pipeline.automation.alarm_decision import AlarmFacts, Jobs, decide_alarm
from studio_pipeline.automation.alarm_history import acted_on, begun, is_tuning, standing_alarms, tuned_at
from studio_pipeline.automation.jobs import REFRESH_RELEASE, TUNE_LEARNERS
from studio_pipeline.automation.run_history import attempts_of
from studio_pipeline.automation.tags import run_tags
from studio_pipeline.errors import StudioError
from studio_pipeline.panel.landing_digest import landing_digest
from studio_pipeline.settings import Settings

LOOK_SECONDS = 60


def drift_sensor(jobs: Sequence[Any]) -> dg.SensorDefinition:
    """The sensor `drift_or_error`.

    Args:
        jobs: all there are; where none is `tune_learners`, no changed recipe is asked for.
    """
    asked_for = [job for job in jobs if job.name in (REFRESH_RELEASE, TUNE_LEARNERS)]
    tune = next((job.name for job in asked_for if job.name == TUNE_LEARNERS), None)

    @dg.sensor(
        name="drift_or_error",
        jobs=asked_for,
        minimum_interval_seconds=LOOK_SECONDS,
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
    """What the decision rests on; the rest is not asked for where no alarm stands."""
    if not alarms:
        return AlarmFacts({}, acted, "", 0.0, ())
    today = datetime.fromtimestamp(now, UTC)
    return AlarmFacts(
        alarms=alarms,
        acted_on=acted,
        digest=_digest(settings),
        month=datetime(today.year, today.month, 1, tzinfo=UTC).timestamp(),
        attempts=attempts_of(instance),
        tuned_at=tuned_at(instance),
        tuning=is_tuning(instance),
    )


def _digest(settings: Settings) -> str:
    """Of the landing folder; "" where it can't be looked at, which the landing sensor says."""
    try:
        return landing_digest(settings.landing_dir)
    except StudioError:
        return ""
