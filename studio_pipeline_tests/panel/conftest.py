import errno
import os
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from studio_pipeline.panel.generator.months import generate_months
from studio_pipeline.panel.generator.options import GeneratorConfig
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


def studio_months(studios=3, months=24, first="2022-01"):
    """Generated months as a file holds them, without what can be derived, revenue last."""
    last = str(np.datetime64(first, "M") + months - 1)
    frame = generate_months(GeneratorConfig(studios=studios, months=months, last_month=last, shock=False))
    frame["month_year"] = frame["month_year"].dt.strftime("%Y-%m-%d")
    derived = ["retention_rate", "avg_ticket_price", "class_attendance_rate"]
    return frame.drop(columns=[*derived, "total_revenue"]).assign(total_revenue=frame["total_revenue"])


@pytest.fixture
def make_months():
    return studio_months
