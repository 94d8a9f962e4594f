"""`studio rollback`: make an older model current, recorded as a Dagster run."""

from __future__ import annotations

import contextlib
import logging
import warnings
from typing import Any

import click

from studio_pipeline.cli.messages import as_called
from studio_pipeline.cli.pipeline import COMMAND_TAG, dagster_instance
from studio_pipeline.publishing.locks import hold_lock
from studio_pipeline.publishing.releases import Release, current_release
from studio_pipeline.publishing.rollback import check_rollback
from studio_pipeline.settings import Settings


@click.command("rollback")
@click.argument("version", metavar="VERSION")
def command(version: str) -> None:
    """Make an older model current, with today's data; `studio models` lists the versions."""
    from studio_pipeline.cli.commands.rollback import run_rollback
    from studio_pipeline.settings import read_settings

    settings = read_settings()
    before, after = run_rollback(settings, version)
    click.secho(
        f"Release {after.version} is published: model {after.model_version} in the place of"
        f" {before.model_version}, data {after.data_version}.",
        fg="green",
    )
    click.echo(
        as_called(
            "It stays until there are new months: then the configured recipe is judged against this model."
            f" `studio rollback {before.model_version}` goes back."
        )
    )


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
    from studio_pipeline.automation.run_history import end_leftover_runs
    from studio_pipeline.automation.upkeep_jobs import ROLLBACK_OP, ROLLBACK_RELEASE, forecast_release
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
