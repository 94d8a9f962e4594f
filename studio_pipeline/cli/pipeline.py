"""Execution of the whole asset graph in this process, recorded in Dagster's instance.

Used by `studio run` and `studio up`. Output during the run is in `progress`, the summary in `outcome`.
"""

from __future__ import annotations

import contextlib
import json
import logging
import time
import uuid
import warnings
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
from pydantic import ValidationError

from studio_pipeline.cli.dagster_home import write_dagster_yaml
from studio_pipeline.cli.disk_errors import check_free_space, disk_refusal
from studio_pipeline.cli.outcome import FAILED, PUBLISHED, REFUSED, Outcome, print_outcome
from studio_pipeline.configuration import read_configuration
from studio_pipeline.errors import ReleaseError, SettingsError, StudioError
from studio_pipeline.panel.generator.options import GeneratorConfig
from studio_pipeline.panel.ingest.landing import landing_sources
from studio_pipeline.publishing.layout import sweep_home
from studio_pipeline.publishing.locks import lock_of_run
from studio_pipeline.publishing.releases import Release, check_replaceable, current_release, newest_release
from studio_pipeline.publishing.storage import replace_file
from studio_pipeline.settings import Settings, check_landing_dir

if TYPE_CHECKING:
    import dagster as dg


COMMAND_TAG = "studio/command"


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
            _judge_refusal(outcome, refused=isinstance(error, ReleaseError) and before is not None)
        else:
            _judge(outcome, settings, before)
        outcome.seconds = time.perf_counter() - started
        _store_outcome(settings, outcome)
    print_outcome(settings, outcome)
    return outcome.status


def _check_inputs(settings: Settings, options: Mapping[str, Any]) -> None:
    """Fail before the slow imports if the run can't succeed."""
    check_free_space(settings.home)
    check_landing_dir(settings)
    sources = landing_sources(settings.landing_dir)
    _check_options(read_configuration(settings.config).generator, options)
    if not sources:
        check_replaceable(settings.home, "generator")
        click.echo(
            f"The landing folder {settings.landing_dir} is empty:"
            " the months come from the built-in generator."
        )
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
        lines = [
            f"{_option(item['loc'])}: {item['msg'].removeprefix('Value error, ')}."
            for item in error.errors(include_url=False, include_context=False)
        ]
        raise SettingsError(
            "\n".join(lines), "`studio run --help` lists the options and their values."
        ) from None


def _option(loc: Sequence[int | str]) -> str:
    return f"--{loc[0]}" if loc else "The options"


def _execute(settings: Settings, options: Mapping[str, Any], outcome: Outcome) -> None:
    """Run the job in this process; a failed blocking check raises `ReleaseError`, other errors propagate."""
    warnings.filterwarnings("ignore", module="dagster")
    import dagster as dg

    from studio_pipeline.automation.jobs import REFRESH_RELEASE
    from studio_pipeline.automation.run_history import end_leftover_runs
    from studio_pipeline.cli.outcome import Progress
    from studio_pipeline.definitions import build_definitions

    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    # This command already holds the lock, from before the run until its outcome is stored.
    definitions = build_definitions(settings, run_lock=lambda *_: contextlib.nullcontext())
    job = definitions.resolve_job_def(REFRESH_RELEASE)
    with dagster_instance(settings) as instance:
        end_leftover_runs(instance, settings.home)
        progress = Progress()
        instance.add_event_listener(outcome.run_id, progress)
        try:
            job.execute_in_process(
                instance=instance,
                run_id=outcome.run_id,
                run_config=_run_config(options),
                tags={COMMAND_TAG: "run"},
                raise_on_error=True,
            )
        except dg.DagsterError:
            if not progress.blocking_failures:
                raise
            failed = "\n".join(progress.blocking_failures)
            raise ReleaseError(
                f"A check stopped the run: {failed}",
                "Correct the data and run again; `studio up` shows every failure.",
            ) from None
        finally:
            progress.end()
            outcome.evaluation = progress.evaluation
            outcome.refusal, outcome.nothing_new = progress.refusal, progress.nothing_new
            outcome.problems += progress.warnings


def dagster_instance(settings: Settings) -> dg.DagsterInstance:
    """Open the instance of DAGSTER_HOME; writes its `dagster.yaml` and migrates its databases."""
    from dagster import DagsterInstance

    from studio_pipeline.cli.dagster_home import upgrade_records

    write_dagster_yaml(settings)
    instance = DagsterInstance.from_config(str(settings.dagster_home))
    upgrade_records(instance, settings)
    return instance


def _run_config(options: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
        "resources": {"configuration": {"config": {"generator": dict(options)} if options else {}}},
    }


def _judge(outcome: Outcome, settings: Settings, before: Release | None) -> None:
    after = current_release(settings.home)
    if before is None or after.version != before.version:
        outcome.status, outcome.verdict = PUBLISHED, "published"
    elif outcome.nothing_new:
        outcome.status, outcome.verdict = PUBLISHED, "found nothing new"
    else:
        _judge_refusal(outcome, refused=True)


def _judge_refusal(outcome: Outcome, *, refused: bool) -> None:
    outcome.status = REFUSED if refused else FAILED
    outcome.verdict = "was refused, and what was published before stays" if refused else "failed"


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
