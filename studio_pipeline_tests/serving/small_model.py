"""A real release of a few generated studios, trained once and quickly, for tests of routes that explain."""

from datetime import UTC, date, datetime
from pathlib import Path

from studio_pipeline.publishing.bundles import write_bundle
from studio_pipeline.publishing.releases import Release, publish_release
from studio_pipeline.publishing.snapshots import write_panel
from studio_pipeline_tests.forecasting.fleets import small_fleet


def publish_small_model(home: Path) -> Release:
    """Publish the small fleet's model, 24 studios of which some have gaps or lack columns."""
    fitted = small_fleet()
    write_bundle(home, "1", fitted.model_of_all.save, {"run_id": "run-1"})
    data_version = write_panel(home, fitted.panel)
    moment = datetime(2025, 1, 3, tzinfo=UTC)
    release = Release("1", data_version, "generator", date(2024, 12, 1), "run-1", moment, {"wape": 0.05})
    return publish_release(home, release)
