import errno
import os
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from studio_pipeline.panel.ingest.landing import read_landing
from studio_pipeline.panel.validation.limits import ValidationConfig
from studio_pipeline.panel.validation.validation import validate_months

NOW = datetime(2024, 6, 15, 12, tzinfo=UTC)
SHARED = Path(__file__).parents[3] / "shared"
BROADWAY_MAP = Path(__file__).with_name("broadway.columns.yaml")


class Landing:
    """A landing folder, and what becomes of it on the 15th of June 2024."""

    def __init__(self, folder):
        self.folder = folder / "landing"
        self.ledger = folder / "first_seen.parquet"
        self.folder.mkdir()

    def put(self, name, content):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def put_frame(self, name, frame):
        return self.put(name, frame.to_csv(index=False))

    def read(self, now=NOW):
        return read_landing(self.folder, self.ledger, now)

    def validated(self, text):
        """What becomes of one file, months.csv."""
        self.put("months.csv", text)
        return self.validate()

    def validate(self, now=NOW, limits=None):
        return validate_months(self.read(now).frame, limits or ValidationConfig(), now.date())


@pytest.fixture
def landing(tmp_path):
    return Landing(tmp_path)


@pytest.fixture
def now():
    return NOW


@pytest.fixture
def full_disk(monkeypatch):
    """A disk that takes nothing."""

    def refuse(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)


@pytest.fixture
def shared():
    if not SHARED.is_dir():
        pytest.skip("the shared folder with real data is not beside the repository")
    return SHARED


def studio_months(studios=3, months=24, first="2022-01", seed=1):
    """Plausible months of some studios, whole columns of the contract, revenue adding up."""
    rng = np.random.default_rng(seed)
    calendar = pd.date_range(first, periods=months, freq="MS")
    n = studios * months
    members = rng.integers(80, 300, n)
    shares = rng.uniform(0.05, 0.2, (3, n))
    frame = pd.DataFrame(
        {
            "studio_id": np.repeat([f"s{i:03d}" for i in range(studios)], months),
            "month_year": np.tile(calendar.strftime("%Y-%m-%d"), studios),
            "studio_type": "Yoga",
            "total_members": members,
            "new_members": rng.integers(5, 30, n),
            "churned_members": rng.integers(5, 30, n),
            "total_classes_held": rng.integers(80, 120, n),
            "total_class_attendance": rng.integers(900, 1400, n),
            "class_capacity": 20,
            "staff_utilization_rate": rng.uniform(0.6, 1, n).round(3),
            "upsell_rate": rng.uniform(0, 0.5, n).round(3),
            "membership_revenue": (members * 100.0).round(2),
        }
    )
    parts = ["class_pack_revenue", "retail_revenue", "upsell_revenue"]
    frame[parts] = (members * 100 * shares).round(2).T
    return frame.assign(total_revenue=frame[["membership_revenue", *parts]].sum(axis=1).round(2))


@pytest.fixture
def make_months():
    return studio_months
