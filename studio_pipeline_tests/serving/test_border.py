"""What the service loads, and what it does when it is only imported."""

import os
import subprocess
import sys
from pathlib import Path

FORBIDDEN = "dagster mlflow xgboost lightgbm sklearn pandas pandera matplotlib joblib".split()  # noqa: SIM905

LOOK = f"""
import sys
import serving.app
import serving.server
import serving.model_store
{{load}}
print(sorted(set({FORBIDDEN}) & set(sys.modules)))
"""


def run(program: str, folder: Path, **environment: str) -> str:
    env = {**os.environ, **environment}
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, env=env, capture_output=True, text=True, check=True
    )
    return result.stdout


def test_importing_the_service_brings_no_training_library(tmp_path: Path) -> None:
    assert run(LOOK.format(load=""), tmp_path) == "[]\n"


def test_importing_the_service_does_no_io(tmp_path: Path) -> None:
    home = tmp_path / "home"
    # A wrong setting would stop an import that reads the settings.
    run("import serving.app", tmp_path, STUDIO_HOME=str(home), STUDIO_RATE_LIMIT="rubbish")
    assert list(tmp_path.iterdir()) == []
