"""Run history in Dagster: landing content and end of each run, and the sensor that ends orphaned runs.

Dagster's run monitoring detects a dead run only while the process that launched it is alive. If both are gone
(a crash, a power cut, an out-of-memory kill), the run would stay STARTED and block the queue; `leftover_runs`
ends it. What to run next is decided in `decisions`.
"""

import os
import time
from collections.abc import Sequence
from pathlib import Path

import dagster as dg
from dagster import DagsterEventType, DagsterRunStatus

from studio_pipeline.assets.raw_data import LANDING_DIGEST
from studio_pipeline.automation.decisions import Attempt, RunEnd
from studio_pipeline.automation.jobs import DIGEST_TAG, REFRESH_RELEASE
from studio_pipeline.errors import RunInProgressError
from studio_pipeline.publishing.locks import RUN_ID, lock_holder
from studio_pipeline.settings import Settings

LOOKED_AT = 20
"""Number of runs and materialisations read, newest first."""

FIRST, LAST = dg.AssetKey("raw_studio_months"), dg.AssetKey("registered_model")
_ENDS = {DagsterRunStatus.SUCCESS: RunEnd.SUCCEEDED, DagsterRunStatus.CANCELED: RunEnd.CANCELED}


def attempts_of(instance: dg.DagsterInstance) -> list[Attempt]:
    """Runs from the landing folder to a release, finished or not; newest first."""
    read = {
        record.run_id: str(record.asset_materialization.metadata[LANDING_DIGEST].value)
        for record in instance.fetch_materializations(FIRST, limit=LOOKED_AT).records
        if record.asset_materialization and LANDING_DIGEST in record.asset_materialization.metadata
    }
    found = list(instance.get_run_records(dg.RunsFilter(job_name=REFRESH_RELEASE), limit=LOOKED_AT))
    if read:
        found += instance.get_run_records(dg.RunsFilter(run_ids=list(read)))
    records = {record.dagster_run.run_id: record for record in found}
    attempts = [
        Attempt(
            run_id=run.run_id,
            end=end_of(instance, run),
            digest=read.get(run.run_id, run.tags.get(DIGEST_TAG, "")),
            started_at=record.start_time or record.create_timestamp.timestamp(),
            ended_at=record.end_time,
        )
        for record in records.values()
        if is_whole(run := record.dagster_run)
    ]
    return sorted(attempts, key=lambda attempt: attempt.started_at, reverse=True)


def is_whole(run: dg.DagsterRun) -> bool:
    """True if a run covers the graph from the landing folder to the release."""
    selected = run.asset_selection
    return (run.job_name == REFRESH_RELEASE and not selected) or bool(selected and {FIRST, LAST} <= selected)


def end_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> RunEnd:
    """Classify the state of a run."""
    if not run.is_finished:
        return RunEnd.UNFINISHED
    if run.status in _ENDS:
        return _ENDS[run.status]
    kinds = {DagsterEventType.RUN_FAILURE, DagsterEventType.STEP_FAILURE}
    failures = instance.get_records_for_run(run.run_id, of_type=kinds).records
    errors = [error for record in failures for error in _errors(record.event_log_entry.dagster_event)]
    if RunInProgressError.__name__ in errors:
        return RunEnd.CROWDED_OUT
    return RunEnd.FAILED if errors else RunEnd.INTERRUPTED


def _errors(event: dg.DagsterEvent | None) -> list[str]:
    """Class names of an event's error and its causes; none if a run was only declared dead."""
    error = getattr(event.event_specific_data, "error", None) if event else None
    names = []
    while error is not None:
        names.append(str(error.cls_name))
        error = error.cause
    return names


UNDER_WAY = (DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING)
LAUNCH_SECONDS = 60.0
"""Time a run may take to launch before its process has written its first event."""

GONE = "The process of this run is gone: it was killed, or the machine went down."


def end_leftover_runs(instance: dg.DagsterInstance, home: Path) -> list[str]:
    """End every run in progress whose process is gone, and return their ids.

    Queued runs stay queued, as their request is still valid. Runs with a live process are not changed, nor is
    the one that holds the lock of `home`. The DAGSTER_HOME must be local to this machine.
    """
    ended = []
    for record in instance.get_run_records(dg.RunsFilter(statuses=list(UNDER_WAY))):
        run = record.dagster_run
        holder = lock_holder(home) or {}
        quiet_seconds = time.time() - record.update_timestamp.timestamp()
        if holder.get(RUN_ID) == run.run_id:
            continue
        if not is_alive(run_processes(instance, run.run_id), quiet_seconds):
            if run.status is DagsterRunStatus.CANCELING:
                instance.report_run_canceled(run, f"{GONE} It was being cancelled.")
            else:
                instance.report_run_failed(run, f"{GONE} What was published before stays.")
            ended.append(run.run_id)
    return ended


def is_alive(processes_live: Sequence[bool], quiet_seconds: float) -> bool:
    """Decide whether a run is alive, by each process that wrote its events, or by its age before any did."""
    return any(processes_live) or (not processes_live and quiet_seconds < LAUNCH_SECONDS)


def run_processes(instance: dg.DagsterInstance, run_id: str) -> list[bool]:
    """For each process that wrote engine events of a run, whether it is still running."""
    first_seen: dict[int, float] = {}
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
        event = entry.dagster_event
        pid = event.engine_event_data.metadata.get("pid") if event else None
        if pid is not None and str(pid.value).isdecimal():
            first_seen.setdefault(int(str(pid.value)), entry.timestamp)
    return [process_lives(pid, seen_at) for pid, seen_at in first_seen.items()]


def process_lives(pid: int, seen_at: float) -> bool:
    """True if the process that had this id at a time (seconds since 1970) is still running.

    Where /proc exists, a zombie, and a younger process with the same id, count as not running.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", errors="replace").rpartition(")")[2].split()
        booted = time.time() - float(Path("/proc/uptime").read_text("utf-8").split()[0])
    except OSError:
        return not Path("/proc").exists()
    started_at = booted + int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return fields[0] not in "ZX" and started_at <= seen_at + 1.0


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Ends runs whose process is gone, so that those in line behind them start.",
)
def leftover_runs(context: dg.SensorEvaluationContext, settings: dg.ResourceParam[Settings]) -> dg.SkipReason:
    """Check every run in progress."""
    ended = end_leftover_runs(context.instance, settings.home)
    return dg.SkipReason(f"Ended {', '.join(ended)}: {GONE}" if ended else "Every run under way lives.")
