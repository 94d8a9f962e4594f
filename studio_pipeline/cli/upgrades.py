"""After an upgrade of the package: the records of Dagster and MLflow are brought to what is installed."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from studio_pipeline.publishing.storage import replace_file
from studio_pipeline.settings import Settings

if TYPE_CHECKING:
    import dagster as dg

MARKER = "upgraded_with.json"
_DATABASES = ("sqlite:", "postgresql", "mysql", "mssql")


def upgrade_records(instance: dg.DagsterInstance, settings: Settings) -> bool:
    """Migrate both where the installed versions are not those of the last time; answers whether it did.

    A store that another program keeps (MLflow behind http://) is that program's to upgrade.

    Raises:
        StorageError: the disk refused.
    """
    marker = settings.dagster_home / MARKER
    installed = {name: version(name) for name in ("dagster", "mlflow")}
    if _read(marker) == installed:
        return False
    with redirect_stdout(io.StringIO()) as told, redirect_stderr(told):
        instance.upgrade()
    if _has_mlflow_database(settings):
        upgrade_mlflow(settings.mlflow_tracking_uri)
    replace_file(marker, json.dumps(installed).encode())
    return True


def upgrade_mlflow(uri: str) -> None:
    """Run MLflow's own migrations, as `mlflow db upgrade` does."""
    from mlflow.store.db.utils import _upgrade_db, create_sqlalchemy_engine_with_retry

    from studio_pipeline.resources.mlflow_tracking import import_quietly

    import_quietly()
    engine = create_sqlalchemy_engine_with_retry(uri)
    try:
        _upgrade_db(engine)
    finally:
        engine.dispose()


def _has_mlflow_database(settings: Settings) -> bool:
    uri = settings.mlflow_tracking_uri
    if uri.startswith("sqlite:"):
        return Path(uri.partition("///")[2]).exists()
    return uri.startswith(_DATABASES)


def _read(marker: Path) -> dict[str, str]:
    try:
        content: dict[str, str] = json.loads(marker.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return content
