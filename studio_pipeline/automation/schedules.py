"""What runs by the calendar: a refresh when a month is over, and the monitoring every day. Times are UTC."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import dagster as dg

from studio_pipeline.automation.jobs import REFRESH_RELEASE, monitor_release, refresh_release
from studio_pipeline.automation.monthly_decision import decide_monthly
from studio_pipeline.automation.run_history import attempts_of
from studio_pipeline.automation.tags import run_tags
from studio_pipeline.errors import StudioError
from studio_pipeline.panel.landing_digest import landing_digest
from studio_pipeline.settings import Settings

MONTHLY, DAILY = "0 6 3 * *", "0 5 * * *"


@dg.schedule(
    name="monthly_refresh",
    job=refresh_release,
    cron_schedule=MONTHLY,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="On the third of each month, when the month before is closed.",
)
def monthly_refresh(context: dg.ScheduleEvaluationContext, settings: dg.ResourceParam[Settings]) -> Any:
    """Ask for a refresh, unless one has happened since the month began."""
    now = context.scheduled_execution_time.astimezone(UTC)
    decision = decide_monthly(now, _digest(settings), attempts_of(context.instance), REFRESH_RELEASE)
    if decision.job is None:
        return dg.SkipReason(decision.reason)
    return dg.RunRequest(tags=run_tags("schedule", decision.reason, landing_digest=_digest(settings)))


def _digest(settings: Settings) -> str:
    """Of the landing folder; "" where it can't be looked at, which the run will say."""
    try:
        return landing_digest(settings.landing_dir)
    except StudioError:
        return ""


@dg.schedule(
    name="daily_monitoring",
    job=monitor_release,
    cron_schedule=DAILY,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every morning: how the forecasts compare with what happened, and whether the data drift.",
)
def daily_monitoring() -> Any:
    """Ask for the monitoring assets and their checks."""
    reason = "Daily monitoring: forecasts meet the months that have arrived, and drift is tested."
    return dg.RunRequest(tags=run_tags("schedule", reason))
