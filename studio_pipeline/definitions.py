"""Composition root of the pipeline: Dagster definitions from assets, checks, jobs, sensors and resources.

Wiring only; `build_definitions` takes overrides for tests and for the command line.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from studio_pipeline.asset_checks import CHECKS
from studio_pipeline.assets import (
    ensemble,
    evaluation,
    features,
    model_fits,
    monitoring,
    raw_data,
    registry,
    validated_data,
)
from studio_pipeline.automation.alerts import alert_sensors
from studio_pipeline.automation.jobs import (
    daily_pruning,
    forecast_release,
    monitor_release,
    prune_versions,
    refresh_release,
    rollback_release,
    tune_learners,
    unlocked_settings,
    with_freshness,
)
from studio_pipeline.automation.run_history import leftover_runs
from studio_pipeline.automation.sensors import (
    daily_monitoring,
    drift_sensor,
    landing_folder,
    monthly_refresh,
    quarterly_tuning,
)
from studio_pipeline.publishing.locks import lock_of_run
from studio_pipeline.resources.mlflow_tracking import MlflowTracking
from studio_pipeline.resources.run_configuration import RunLock, configuration_resource, settings_resource
from studio_pipeline.resources.storage import FolderStorage
from studio_pipeline.settings import Settings, read_settings
from studio_pipeline.tuning.values import ASSET as TUNED

STAGES = [raw_data, validated_data, features, model_fits, ensemble, evaluation, registry, monitoring]
JOBS = [refresh_release, monitor_release, tune_learners]
UPKEEP_JOBS: list[Any] = [rollback_release, forecast_release, prune_versions]
SCHEDULES = [monthly_refresh, daily_monitoring, quarterly_tuning, daily_pruning]


def build_definitions(
    settings: Settings | None = None,
    resources: Mapping[str, Any] | None = None,
    run_lock: RunLock = lock_of_run,
) -> dg.Definitions:
    """Build the Dagster definitions.

    Args:
        settings: used instead of the environment's.
        resources: used instead of those of the same names: settings, configuration, mlflow, io_manager.
    """
    read = settings_resource(settings, run_lock)
    defaults = {
        "settings": read,
        "unlocked_settings": unlocked_settings
        if settings is None
        else dg.ResourceDefinition.hardcoded_resource(settings),
        "configuration": configuration_resource(),
        "mlflow": MlflowTracking(settings=read),
        "io_manager": FolderStorage(settings=read),
    }
    return dg.Definitions(
        assets=with_freshness(dg.load_assets_from_modules(STAGES), without=frozenset({TUNED})),
        asset_checks=CHECKS,
        jobs=[*JOBS, *UPKEEP_JOBS],
        schedules=SCHEDULES,
        sensors=[
            landing_folder,
            drift_sensor(JOBS),
            leftover_runs,
            *alert_sensors(lambda: settings or read_settings()),
        ],
        resources={**defaults, **(resources or {})},
        # One process per step would import everything again, at ten times the run time.
        executor=dg.in_process_executor,
    )


defs = build_definitions()
