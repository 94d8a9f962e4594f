"""A recipe that is quick to fit: what is tested here is the way, not the model."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from studio_pipeline.cli.main import main

_TREES = {name: {"n_trees": 3, "max_depth": 2} for name in ("xgboost", "lightgbm", "random_forest")}
_FEW = {"core": {"tuning_rounds": 1}, "backtest": {"folds": 2, "fold_months": 4}}
QUICK = {"forecasting": _TREES | _FEW}


def start_studio(
    home: Path, *arguments: str, log: Any = subprocess.PIPE, **settings: str
) -> subprocess.Popen[str]:
    """Start a `studio` command on a home, with no settings but these; all it says goes into `log`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("STUDIO_", "DAGSTER_"))}
    return subprocess.Popen(
        [sys.executable, "-m", "studio_pipeline.cli", *arguments],
        cwd=home.parent,
        env=kept | {"STUDIO_HOME": str(home)} | settings,
        stdout=log,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(scope="session")
def quick_recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("configuration") / "quick.yaml"
    path.write_text(yaml.safe_dump(QUICK))
    return path


def studio(*arguments: str) -> Result:
    """Run a `studio` command in this process."""
    return CliRunner().invoke(main, arguments)


@pytest.fixture
def home(no_settings: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An absent STUDIO_HOME, for commands in this process."""
    monkeypatch.setenv("STUDIO_HOME", str(tmp_path / "home"))
    return tmp_path / "home"
