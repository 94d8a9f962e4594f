"""What holds in every process of tests: one thread of linear algebra, and no test fails for being slow."""

import os
from pathlib import Path

import pytest
import scipy.linalg  # noqa: F401 - brings a library of its own
from hypothesis import settings
from threadpoolctl import threadpool_limits

from studio_pipeline.settings import setting_names

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    # For the processes that are started from here: several of them share the cores.
    os.environ.setdefault(_name, "1")
# For this one, which a plugin may have given its threads before.
threadpool_limits(limits=1, user_api="blas")

settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty working directory, and an environment without settings."""
    monkeypatch.chdir(tmp_path)
    for name in setting_names().values():
        monkeypatch.delenv(name, raising=False)
