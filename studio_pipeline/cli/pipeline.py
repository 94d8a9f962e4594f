"""Runs in this process, recorded in Dagster's instance: the whole graph, and a rollback.

Used by `studio run`, `studio up` and `studio rollback`. What is printed of a run is in `outcome`.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import shutil
import time
import uuid
import warnings
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import dagster as dg
from pydantic import ValidationError

from studio_pipeline.cli.dagster_home import upgrade_records, write_dagster_yaml
from studio_pipeline.cli.messages import disk_refusal
from studio_pipeline.cli.outcome import PUBLISHED, REFUSED, Outcome, Progress, print_outcome
from studio_pipeline.configuration import read_configuration
from studio_pipeline.errors import ReleaseError, SettingsError, StorageError, StudioError
from studio_pipeline.panel.generator.options import GeneratorConfig
from studio_pipeline.panel.ingest.landing import landing_sources
from studio_pipeline.publishing.layout import sweep_home
from studio_pipeline.publishing.locks import hold_lock, lock_of_run
from studio_pipeline.publishing.releases import Release, check_replaceable, current_release, newest_release
from studio_pipeline.publishing.rollback import check_rollback
from studio_pipeline.publishing.storage import REMEDIES, replace_file
from studio_pipeline.settings import Settings, check_landing_dir

STAYS = "was refused, and what was published before stays"
LEAST_FREE_BYTES = 64 * 2**20
BY_COMMAND = {"studio/command": "run"}
"""Tags of these runs."""

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def run_pipeline(settings: Settings, options: Mapping[str, Any]) -> int:
    """Run the job under the lock of STUDIO_HOME, print the outcome, and return the exit status."""
    started = time.perf_counter()
    outcome = Outcome(run_id=str(uuid.uuid4()))
    with lock_of_run(settings.home, outcome.run_id):
        sweep_home(settings.home)
        before = newest_release(settings.home)
        try:
            _check_inputs(settings, options)
            _execute(settings, options, outcome)
        except Exception as fault:
            error = fault if isinstance(fault, StudioError) else disk_refusal(fault, settings.home)
            if error is None:
                outcome.problems = [f"{type(fault).__name__}: {fault}"]
                _store_outcome(settings, outcome)
                raise
            outcome.problems = [line for line in (error.what, error.remedy) if line] + outcome.problems
            if isinstance(error, ReleaseError) and before is not None:
                outcome.status, outcome.verdict = REFUSED, STAYS
        else:
            after = current_release(settings.home)
            if before is None or after.version != before.version:
                outcome.status, outcome.verdict = PUBLISHED, "published"
            elif outcome.nothing_new:
                outcome.status, outcome.verdict = PUBLISHED, "found nothing new"
            else:
                outcome.status, outcome.verdict = REFUSED, STAYS
        outcome.seconds = time.perf_counter() - started
        _store_outcome(settings, outcome)
    print_outcome(settings, outcome)
    return outcome.status


def check_free_space(home: Path) -> None:
    """Fail before a run, with a `StorageError`, if the disk has too little free space."""
    place = next((folder for folder in (home, *home.parents) if folder.is_dir()), None)
    if place is None:
        return
    free = shutil.disk_usage(place).free
    if free < LEAST_FREE_BYTES:
        what = f"Only {free >> 20} MB are free where {home} lies; a run needs {LEAST_FREE_BYTES >> 20}."
        raise StorageError(what, REMEDIES[errno.ENOSPC])


def _check_inputs(settings: Settings, options: Mapping[str, Any]) -> None:
    """Fail early if the run can't succeed."""
    check_free_space(settings.home)
    check_landing_dir(settings)
    sources = landing_sources(settings.landing_dir)
    _check_options(read_configuration(settings.config).generator, options)
    if not sources:
        check_replaceable(settings.home, "generator")
        empty = f"The landing folder {settings.landing_dir} is empty"
        click.echo(f"{empty}: the months come from the built-in generator.")
        return
    click.echo(f"Reading {len(sources)} file{'s' if len(sources) > 1 else ''} of {settings.landing_dir}.")
    if options:
        given = ", ".join(f"--{name}" for name in options)
        click.echo(f"{given}: not used, as they are the generator's; empty the landing folder to use them.")


def _check_options(generator: GeneratorConfig, options: Mapping[str, Any]) -> None:
    """Refuse options that are invalid for the generator, by their names on the command line."""
    try:
        GeneratorConfig.model_validate(generator.model_dump() | dict(options))
    except ValidationError as error:
        lines = []
        for item in error.errors(include_url=False, include_context=False):
            option = f"--{item['loc'][0]}" if item["loc"] else "The options"
            lines.append(f"{option}: {item['msg'].removeprefix('Value error, ')}.")
        remedy = "`studio run --help` lists the options and their values."
        raise SettingsError("\n".join(lines), remedy) from None


def _execute(settings: Settings, options: Mapping[str, Any], outcome: Outcome) -> None:
    """Run the job in this process; a failed blocking check raises `ReleaseError`, other errors propagate."""
    with _dagster(settings) as (definitions, instance):
        from studio_pipeline.automation.jobs import REFRESH_RELEASE

        progress = Progress(outcome)
        instance.add_event_listener(outcome.run_id, progress)
        configuration = {"generator": dict(options)} if options else {}
        try:
            definitions.resolve_job_def(REFRESH_RELEASE).execute_in_process(
                instance=instance,
                run_id=outcome.run_id,
                run_config=QUIET | {"resources": {"configuration": {"config": configuration}}},
                tags=BY_COMMAND,
                raise_on_error=True,
            )
        except dg.DagsterError:
            if not progress.blocking_failures:
                raise
            failed = "\n".join(progress.blocking_failures)
            remedy = "Correct the data and run again; `studio up` shows every failure."
            raise ReleaseError(f"A check stopped the run: {failed}", remedy) from None
        finally:
            progress.end()


@contextlib.contextmanager
def _dagster(settings: Settings) -> Iterator[tuple[dg.Definitions, dg.DagsterInstance]]:
    """Definitions and instance for runs of a command; runs whose process is gone are ended first."""
    warnings.filterwarnings("ignore", module="dagster")
    from studio_pipeline.automation.run_history import end_leftover_runs
    from studio_pipeline.definitions import build_definitions

    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    # The command already holds the lock, from before the run until its outcome is stored.
    definitions = build_definitions(settings, run_lock=lambda *_: contextlib.nullcontext())
    with dagster_instance(settings) as instance:
        end_leftover_runs(instance, settings.home)
        yield definitions, instance


def dagster_instance(settings: Settings) -> dg.DagsterInstance:
    """Open the instance of DAGSTER_HOME; writes its `dagster.yaml` and migrates its databases."""
    write_dagster_yaml(settings)
    instance = dg.DagsterInstance.from_config(str(settings.dagster_home))
    upgrade_records(instance, settings)
    return instance


def _store_outcome(settings: Settings, outcome: Outcome) -> None:
    """Store the outcome for `studio status`."""
    content = {
        "run_id": outcome.run_id,
        "ended_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "status": outcome.status,
        "verdict": outcome.verdict,
        "problems": [*filter(None, [outcome.refusal]), *outcome.problems],
    }
    replace_file(settings.home / "last_run.json", json.dumps(content, indent=1).encode())


def run_rollback(settings: Settings, model_version: str) -> tuple[Release, Release]:
    """Make a model current and renew the forecasts; returns the releases before and after.

    Its errors are those of `publishing.rollback.roll_back`, and RunInProgressError if the home is locked.
    """
    with hold_lock(settings.home):
        before = check_rollback(settings.home, model_version)
        with _dagster(settings) as (definitions, instance):
            from studio_pipeline.automation.jobs import ROLLBACK_OP, ROLLBACK_RELEASE, forecast_release

            chosen: dict[str, Any] = {"ops": {ROLLBACK_OP: {"config": {"version": model_version}}}}
            for name, config in ((ROLLBACK_RELEASE, QUIET | chosen), (forecast_release.name, QUIET)):
                definitions.resolve_job_def(name).execute_in_process(
                    instance=instance, run_config=config, tags=BY_COMMAND, raise_on_error=True
                )
        return before, current_release(settings.home)
