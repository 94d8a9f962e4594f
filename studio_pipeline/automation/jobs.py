"""The jobs that the automation asks for."""

from __future__ import annotations

import dagster as dg

from studio_pipeline.resources.run_configuration import LOCK_TAG
from studio_pipeline.tuning.values import ASSET as TUNED

REFRESH_RELEASE = "refresh_release"
MONITOR_RELEASE = "monitor_release"
TUNE_LEARNERS = "tune_learners"

refresh_release = dg.define_asset_job(
    REFRESH_RELEASE,
    selection=dg.AssetSelection.all() - dg.AssetSelection.assets(TUNED),
    description="Materialise every asset once, apart from the tuning: from the months to a published release"
    " and its forecasts.",
)

monitor_release = dg.define_asset_job(
    MONITOR_RELEASE,
    selection=dg.AssetSelection.groups("monitoring"),
    description="Materialise what watches the release, with its checks: accuracy so far, and drift.",
)

tune_learners = dg.define_asset_job(
    TUNE_LEARNERS,
    selection=dg.AssetSelection.assets(TUNED),
    description="Search the learners' hyperparameters within a budget; the next refresh uses what it found.",
    # It must begin from the defaults, and also where what an earlier search stored is corrupt.
    config={"resources": {"configuration": {"config": {"tuning": {"use_tuned": False}}}}},
    # It takes long, and writes nothing that a refresh reads before it is whole.
    tags={LOCK_TAG: "none", "dagster/max_runtime": "86400"},
)
