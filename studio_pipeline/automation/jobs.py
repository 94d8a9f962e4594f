"""The jobs that the automation asks for."""

from __future__ import annotations

import dagster as dg

REFRESH_RELEASE = "refresh_release"
MONITOR_RELEASE = "monitor_release"
TUNE_LEARNERS = "tune_learners"

refresh_release = dg.define_asset_job(
    REFRESH_RELEASE,
    selection=dg.AssetSelection.all(),
    description="Materialise every asset once: from the months to a published release and its forecasts.",
)

monitor_release = dg.define_asset_job(
    MONITOR_RELEASE,
    selection=dg.AssetSelection.groups("monitoring"),
    description="Materialise what watches the release, with its checks: accuracy so far, and drift.",
)
