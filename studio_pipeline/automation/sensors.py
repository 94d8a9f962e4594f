"""Sensor on the landing folder, and schedules of refresh, monitoring and tuning; times are UTC.

The folder's files are scanned in `panel.ingest.folder_scan`; whether a run is requested is decided in
`decisions`. The sensors on drift and on alerts are in `alarm_sensor` and `alerts`.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any

import dagster as dg

from studio_pipeline.automation.decisions import LandingFacts, RunDecision, decide_landing, decide_monthly
from studio_pipeline.automation.jobs import (
    REFRESH_RELEASE,
    monitor_release,
    refresh_release,
    run_tags,
    tune_learners,
)
from studio_pipeline.automation.run_history import attempts_of
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

LOOK_SECONDS = 5


@dataclass(frozen=True)
class Memory:
    """Cursor of the landing sensor: saves rehashing and describes changes; decisions don't depend on it.

    Attributes:
        look: the last snapshot of the folder.
        accepted: SHA-256 by name of the last content that was read, or that a run was requested for.
    """

    look: FolderSnapshot = field(default_factory=FolderSnapshot)
    accepted: dict[str, str] = field(default_factory=dict)

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
    minimum_interval_seconds=LOOK_SECONDS,
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


MONTHLY, DAILY = "0 6 3 * *", "0 5 * * *"


@dg.schedule(
    name="monthly_refresh",
    job=refresh_release,
    cron_schedule=MONTHLY,
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
    cron_schedule=DAILY,
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
