"""The composition root: wiring only. Settings are read when a run starts, not when this is imported."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from studio_pipeline.asset_checks import all_checks
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
from studio_pipeline.automation.jobs import monthly_refresh, refresh_release
from studio_pipeline.publishing.locks import hold_lock
from studio_pipeline.resources.mlflow_tracking import MlflowTracking
from studio_pipeline.resources.run_configuration import RunLock, configuration_resource, settings_resource
from studio_pipeline.resources.storage import FolderStorage
from studio_pipeline.settings import Settings

STAGES = [raw_data, validated_data, features, model_fits, ensemble, evaluation, registry, monitoring]


def build_definitions(
    settings: Settings | None = None,
    resources: Mapping[str, Any] | None = None,
    run_lock: RunLock = hold_lock,
) -> dg.Definitions:
    """Wire everything together.

    Args:
        settings: used instead of the environment's.
        resources: used instead of those of the same names: settings, configuration, mlflow, io_manager.
        run_lock: keeps two runs from using one STUDIO_HOME.
    """
    read = settings_resource(settings, run_lock)
    defaults = {
        "settings": read,
        "configuration": configuration_resource(),
        "mlflow": MlflowTracking(settings=read),
        "io_manager": FolderStorage(settings=read),
    }
    return dg.Definitions(
        assets=dg.load_assets_from_modules(STAGES),
        asset_checks=all_checks(),
        jobs=[refresh_release],
        schedules=[monthly_refresh],
        resources={**defaults, **(resources or {})},
        # Another process a step would import everything again: ten times the time, nothing gained.
        executor=dg.in_process_executor,
    )


defs = build_definitions()
