"""MLflow resource: one MLflow run for each Dagster run, and the registered model `studio_revenue`.

The store is opened and written in one worker thread, so that its migrations and commits do not delay the run.
What is logged is decided in `assets`; models are served from the bundles of `publishing`, not from MLflow.
"""

import importlib
import logging
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import BaseModel, PrivateAttr

from studio_pipeline.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient


MODEL_NAME = "studio_revenue"
CHAMPION = "champion"
CHALLENGER = "challenger"
PARAMETERS_A_CALL = 100
METRICS_A_CALL = 1000


@dataclass(frozen=True)
class Entry:
    """One asset's entry, by name; metrics are finite, files are named by path below the run's artifacts."""

    parameters: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class OpenRun:
    """A client and the MLflow run that it writes to."""

    client: "MlflowClient"
    run_id: str


class MlflowTracking(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Tracking and registry of the settings' MLflow store."""

    settings: dg.ResourceDependency[Settings]

    _worker: ThreadPoolExecutor = PrivateAttr()
    _open_run: Future[OpenRun] = PrivateAttr()
    _written: list[Future[None]] = PrivateAttr(default_factory=list)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Import MLflow here, as two threads must not import one package; open the store in the worker."""
        import_quietly()
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="mlflow")
        self._written = []
        instance, run_id = context.instance, context.run.run_id if context.run else "outside a run"

        def is_over(other: str) -> bool:
            run = instance.get_run_by_id(other) if instance and other else None
            return run is not None and run.is_finished

        self._open_run = self._worker.submit(open_run, self.settings, run_id, is_over)

    def log(self, entry: Entry) -> None:
        """Queue an entry for the worker; a failure is raised when the run ends."""
        self._written.append(self._worker.submit(lambda: write_entry(self._open_run.result(), entry)))

    def register(self, tags: Mapping[str, str], artifacts: str) -> str:
        """Register the artifacts logged below a path as the next model version, and return its number."""
        work = self._worker.submit(lambda: register_version(self._open_run.result(), tags, artifacts))
        return work.result()

    def set_aliases(self, champion: str, challenger: str | None) -> None:
        """Set the registry aliases to a release's bundle versions; a challenger of None removes the alias."""
        numbers = {
            CHAMPION: registry_number(champion),
            CHALLENGER: challenger and registry_number(challenger),
        }
        self._written.append(self._worker.submit(lambda: set_aliases(self._open_run.result(), numbers)))

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """Wait for pending writes, and end the MLflow run with the Dagster run's status."""
        try:
            for written in self._written:
                written.result()
            run = self._open_run.result()
            failures = (
                context.instance.all_logs(context.run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
                if context.instance and context.run
                else ()
            )
            run.client.set_terminated(run.run_id, "FAILED" if failures else "FINISHED")
        finally:
            self._worker.shutdown()


IMPORTED_BEFORE_THE_WORKER = (
    "sqlalchemy.orm",
    "mlflow.tracking",
    "mlflow.store.tracking.sqlalchemy_store",
    "mlflow.store.model_registry.sqlalchemy_store",
)


def import_quietly() -> None:
    """Import MLflow and the modules its store needs, with telemetry disabled and logging reduced."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    for module in IMPORTED_BEFORE_THE_WORKER:
        importlib.import_module(module)
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)


def open_run(
    settings: Settings, dagster_run_id: str, is_over: Callable[[str], bool] = lambda _: False
) -> OpenRun:
    """Open the MLflow run of a Dagster run; create it if there is none.

    MLflow runs left running by a crash are ended: those of Dagster runs of which `is_over` is true.
    """
    from mlflow import MlflowClient

    settings.home.mkdir(parents=True, exist_ok=True)
    client = MlflowClient(settings.mlflow_tracking_uri, settings.mlflow_tracking_uri)
    experiment_id = _experiment(client, settings)
    for left in client.search_runs([experiment_id], "attributes.status = 'RUNNING'"):
        if is_over(left.data.tags.get("dagster_run_id", "")):
            client.set_terminated(left.info.run_id, "KILLED")
    found = client.search_runs([experiment_id], f"tags.dagster_run_id = '{dagster_run_id}'", max_results=1)
    name, tags = f"dagster {dagster_run_id[:8]}", {"dagster_run_id": dagster_run_id}
    run = found[0] if found else client.create_run(experiment_id, tags=tags, run_name=name)
    return OpenRun(client, run.info.run_id)


def _experiment(client: "MlflowClient", settings: Settings) -> str:
    experiment = client.get_experiment_by_name(settings.mlflow_experiment_name)
    if experiment is not None:
        return str(experiment.experiment_id)
    local = settings.mlflow_tracking_uri.startswith("sqlite:")
    location = (settings.home / "mlflow").as_uri() if local else None
    return str(client.create_experiment(settings.mlflow_experiment_name, artifact_location=location))


def write_entry(run: OpenRun, entry: Entry) -> None:
    """Write an entry with as few calls as MLflow allows."""
    from mlflow.entities import Metric, Param, RunTag

    now = int(time.time() * 1000)
    parameters = [Param(name, str(value)) for name, value in entry.parameters.items()]
    metrics = [Metric(name, float(value), now, 0) for name, value in entry.metrics.items()]
    tags = [RunTag(name, value) for name, value in entry.tags.items()]
    for start in range(0, max(len(parameters), 1), PARAMETERS_A_CALL):
        run.client.log_batch(
            run.run_id,
            metrics=metrics[:METRICS_A_CALL] if start == 0 else [],
            params=parameters[start : start + PARAMETERS_A_CALL],
            tags=tags if start == 0 else [],
        )
    if entry.files:
        with tempfile.TemporaryDirectory() as folder:
            for name, content in entry.files.items():
                path = Path(folder) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            run.client.log_artifacts(run.run_id, folder)


def register_version(run: OpenRun, tags: Mapping[str, str], artifacts: str) -> str:
    """Register the run's native models below a path as the next version of `studio_revenue`."""
    from mlflow.exceptions import MlflowException

    try:
        run.client.get_registered_model(MODEL_NAME)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        description = "Revenue, members and retention of studios."
        run.client.create_registered_model(MODEL_NAME, description=description)
    source = f"runs:/{run.run_id}/{artifacts}"
    version = run.client.create_model_version(MODEL_NAME, source, run.run_id, tags=dict(tags))
    return str(version.version)


def set_aliases(run: OpenRun, numbers: Mapping[str, str | None]) -> None:
    """Move each alias to a version's number, or delete it for None."""
    for alias, number in numbers.items():
        if number is None:
            run.client.delete_registered_model_alias(MODEL_NAME, alias)
        else:
            run.client.set_registered_model_alias(MODEL_NAME, alias, number)


def registry_number(bundle_version: str) -> str:
    """Registry version number of a bundle: the part of its name before the first hyphen."""
    return bundle_version.partition("-")[0]


def flat_parameters(model: BaseModel, prefix: str) -> dict[str, Any]:
    """Fields of a (nested) configuration class as `prefix.name`."""
    flat: dict[str, Any] = {}
    for name, value in model:
        nested = isinstance(value, BaseModel)
        flat |= flat_parameters(value, f"{prefix}.{name}") if nested else {f"{prefix}.{name}": value}
    return flat
