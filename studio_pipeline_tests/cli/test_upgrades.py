"""Records are migrated once for each pair of installed versions; older MLflow stores come along."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import alembic.command
import dagster as dg
import pytest
from alembic.script import ScriptDirectory
from mlflow.store.db.utils import InitialBase, _get_alembic_config
from sqlalchemy import create_engine

from studio_pipeline.cli.dagster_home import MARKER, upgrade_mlflow, upgrade_records
from studio_pipeline.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


def test_records_are_migrated_once_a_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(home=tmp_path, dagster_home=tmp_path / "dagster")
    settings.dagster_home.mkdir()
    (settings.dagster_home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:
        assert upgrade_records(instance, settings)
        assert not upgrade_records(instance, settings)
        marker = settings.dagster_home / MARKER
        marker.write_text(json.dumps(json.loads(marker.read_text()) | {"dagster": "1.0.0"}))
        assert upgrade_records(instance, settings)
        assert json.loads(marker.read_text())["dagster"] != "1.0.0"
    assert not (tmp_path / "mlflow.db").exists()


def test_an_mlflow_store_of_an_earlier_schema_is_brought_to_this_one(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    engine = create_engine(uri)
    InitialBase.metadata.create_all(engine)
    migrations = _get_alembic_config(uri)
    newest = ScriptDirectory.from_config(migrations).get_current_head()
    with engine.begin() as connection:
        migrations.attributes["connection"] = connection
        alembic.command.upgrade(migrations, "head-1")
    engine.dispose()
    assert schema_of(tmp_path / "mlflow.db") != newest
    upgrade_mlflow(uri)
    assert schema_of(tmp_path / "mlflow.db") == newest


def schema_of(store: Path) -> str:
    with closing(sqlite3.connect(store)) as connection:
        return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])
