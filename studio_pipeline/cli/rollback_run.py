"""Dagster runs behind `studio rollback`, in this process and under the lock of STUDIO_HOME."""

from __future__ import annotations

import contextlib
import logging
import warnings
from typing import Any

from studio_pipeline.cli.pipeline import COMMAND_TAG, dagster_instance
from studio_pipeline.publishing.locks import hold_lock
from studio_pipeline.publishing.releases import Release, current_release
from studio_pipeline.publishing.rollback import check_rollback
from studio_pipeline.settings import Settings


def run_rollback(settings: Settings, model_version: str) -> tuple[Release, Release]:
    """Make a model current and renew the forecasts; returns the releases before and after.

    Raises:
        ReleaseError: the model can't be made current, see `publishing.rollback.roll_back`.
        RunInProgressError: another process holds the lock of this STUDIO_HOME.
    """
    with hold_lock(settings.home):
        before = check_rollback(settings.home, model_version)
        _execute(settings, model_version)
        return before, current_release(settings.home)


def _execute(settings: Settings, model_version: str) -> None:
    warnings.filterwarnings("ignore", module="dagster")
    from studio_pipeline.automation.jobs import ROLLBACK_OP, ROLLBACK_RELEASE, forecast_release
    from studio_pipeline.automation.run_history import end_leftover_runs
    from studio_pipeline.definitions import build_definitions

    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    definitions = build_definitions(settings, run_lock=lambda *_: contextlib.nullcontext())
    quiet: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    chosen = quiet | {"ops": {ROLLBACK_OP: {"config": {"version": model_version}}}}
    with dagster_instance(settings) as instance:
        end_leftover_runs(instance, settings.home)
        for name, config in ((ROLLBACK_RELEASE, chosen), (forecast_release.name, quiet)):
            definitions.resolve_job_def(name).execute_in_process(
                instance=instance, run_config=config, tags={COMMAND_TAG: "run"}, raise_on_error=True
            )
