"""A real release of a few generated studios, trained once and quickly, for tests of routes that explain."""

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
from fake_forecaster import STUDIOS

from studio_pipeline.panel.arrays import StudioPanel
from studio_pipeline.publishing.bundles import write_bundle
from studio_pipeline.publishing.releases import Release, publish_release
from studio_pipeline.publishing.snapshots import write_panel
from studio_pipeline_tests.forecasting.fleets import small_fleet

ALL_LEVERS = {
    "retention_rate": 0.93,
    "avg_ticket_price": 150.0,
    "class_attendance_rate": 0.70,
    "new_members_monthly": 25,
    "staff_utilization_rate": 0.85,
    "upsell_rate": 0.25,
    "total_classes_held": 120,
    "current_member_count": 250,
}


def publish_small_model(home: Path) -> Release:
    """Publish the small fleet's model, 24 studios of which some have gaps or lack columns."""
    return _publish(home, small_fleet().panel)


def publish_small_chains(home: Path) -> Release:
    """Publish the small fleet's model on months of three studios that are called as the fake ones."""
    whole = small_fleet().panel.select(np.array([7, 8, 9]))
    return _publish(home, replace(whole, studio_ids=np.array(STUDIOS)))


def _publish(home: Path, panel: StudioPanel) -> Release:
    write_bundle(home, "1", small_fleet().model_of_all.save, {"run_id": "run-1"})
    data_version = write_panel(home, panel)
    moment = datetime(2025, 1, 3, tzinfo=UTC)
    release = Release("1", data_version, "generator", date(2024, 12, 1), "run-1", moment, {"wape": 0.05})
    return publish_release(home, release)
