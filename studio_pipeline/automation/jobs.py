"""The jobs, and when they run by themselves."""

from __future__ import annotations

import dagster as dg

REFRESH_RELEASE = "refresh_release"

refresh_release = dg.define_asset_job(
    REFRESH_RELEASE,
    selection=dg.AssetSelection.all(),
    description="Materialise every asset once: from the months to a published release and its forecasts.",
)

monthly_refresh = dg.ScheduleDefinition(
    name="monthly_refresh",
    job=refresh_release,
    cron_schedule="0 6 3 * *",
    description="On the third of each month, when the month before is closed.",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
