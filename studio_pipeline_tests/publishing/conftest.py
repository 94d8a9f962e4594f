"""A small panel, and a home with one release in it."""

from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from studio_pipeline.panel.arrays import StudioPanel
from studio_pipeline.panel.columns import NUMERIC_COLUMNS
from studio_pipeline.publishing.bundles import write_bundle
from studio_pipeline.publishing.releases import Release, publish_release
from studio_pipeline.publishing.snapshots import write_panel


def small_panel(seed: int = 0, studios: int = 3, months: int = 14) -> StudioPanel:
    random = np.random.default_rng(seed)
    values = {name: random.uniform(1, 9, (studios, months)) for name in NUMERIC_COLUMNS}
    values["total_revenue"][0, :4] = np.nan
    values["upsell_rate"][:] = np.nan
    names = np.array([f"studio-{row:03}-é" for row in range(studios)])
    return StudioPanel(names, np.array(["Yoga"] * studios), np.datetime64("2020-11", "M"), values)


def fill_bundle(folder: Path) -> None:
    (folder / "graphs").mkdir()
    (folder / "graphs" / "revenue.onnx").write_bytes(bytes(range(256)) * 40)
    (folder / "weights.json").write_text('{"core": 1.0}')


def make_release(home: Path, seed: int = 0, **fields: object) -> Release:
    """Write a bundle and a snapshot, and describe the release of both; nothing is published."""
    version = str(fields.pop("model_version", "1"))
    if not (home / "models" / version).exists():
        write_bundle(home, version, fill_bundle, {"run_id": f"run-{version}"})
    described: dict[str, object] = {
        "data_version": write_panel(home, small_panel(seed)),
        "source": "landing",
        "last_month": date(2021, 12, 1),
        "run_id": f"run-{version}",
        "published_at": datetime(2022, 1, 3, 4, 5, tzinfo=UTC),
        "metrics": {"wape": 0.03},
    }
    return Release(model_version=version, **described | fields)


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A home whose release 1 pairs model 1 with the data of seed 0."""
    publish_release(tmp_path, make_release(tmp_path))
    return tmp_path
