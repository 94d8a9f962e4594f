"""The monitoring assets in Dagster: a first run with next to nothing, and months that have arrived."""

from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest

from studio_pipeline.asset_checks.evaluation import errors_as_promised
from studio_pipeline.assets.monitoring import forecast_accuracy, last_record
from studio_pipeline.configuration import Configuration
from studio_pipeline.publishing.folders import write_once
from studio_pipeline.publishing.releases import publish_release
from studio_pipeline.resources.run_configuration import settings_resource
from studio_pipeline.resources.storage import FolderStorage, write_value
from studio_pipeline.settings import Settings
from studio_pipeline_tests.monitoring.accuracy_worlds import metrics_of, months_of
from studio_pipeline_tests.publishing.conftest import make_release

REVENUE = {f"s{number:02}": 100.0 + number for number in range(50)}
LEVELS = {"lower_90": 0.9, "upper_90": 1.1}


def months(n_months: int) -> pd.DataFrame:
    frame = months_of({name: [value] * n_months for name, value in REVENUE.items()})
    # What had arrived by then, and what will after the forecasts below.
    return frame.assign(first_seen=frame["first_seen"] + pd.DateOffset(years=100 * (n_months > 12)))


def publish(home: Path) -> None:
    """A release whose forecasts are a tenth too high, where the backtest promised 2 %."""
    moment = datetime(2020, 1, 1, tzinfo=UTC)
    publish_release(home, make_release(home, run_id="run", published_at=moment, metrics=metrics_of(0.02)))
    lines = [
        {"studio_id": name, "base_month": pd.Timestamp("2023-12-01"), "horizon": h, "revenue": 1.1 * value}
        | {bound: 1.1 * value * share for bound, share in LEVELS.items()}
        for name, value in REVENUE.items()
        for h in range(1, 13)
    ]
    folder = home / "assets" / "studio_forecasts" / "v-run"
    write_once(folder, lambda place: pd.DataFrame(lines).to_parquet(place / "table.parquet"))


def run(home: Path, table: pd.DataFrame, name: str) -> Any:
    settings = settings_resource(Settings(home=home), lambda *_: nullcontext())

    @dg.asset
    def validated_studio_months() -> Any:
        return table

    assets = [validated_studio_months, forecast_accuracy, errors_as_promised]
    resources = {"settings": settings, "configuration": Configuration()}
    resources["io_manager"] = FolderStorage(settings=settings)
    return dg.materialize(assets, resources=resources, tags={"name": name})


def metadata_of(result: Any) -> dict[str, Any]:
    (event,) = result.asset_materializations_for_node("forecast_accuracy")
    return {name: value.value for name, value in event.metadata.items()}


@pytest.mark.filterwarnings("ignore::dagster.BetaWarning")
def test_months_that_arrive_are_judged_and_an_alarm_is_given(tmp_path: Path) -> None:
    publish(tmp_path)
    first = run(tmp_path, months(12), "first")
    assert metadata_of(first)["forecasts_judged"] == 0
    (check,) = first.get_asset_check_evaluations()
    assert (check.passed, check.metadata["alarm"].value) == (True, "")
    second = run(tmp_path, months(15), "second")
    metadata = metadata_of(second)
    assert metadata["forecasts_judged"] == 150
    assert metadata["live_wape_published"] == pytest.approx(0.1)
    assert "not logged anything yet" in metadata["in_words"]
    assert metadata["live_error"].startswith("![live_error](data:image/png;base64,")
    (check,) = second.get_asset_check_evaluations()
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert check.metadata["alarm"].value == metadata["alarm"]
    assert metadata["alarm"] == "live errors exceed what the backtest promised"


def test_a_record_that_is_corrupt_gives_way_to_the_one_before(tmp_path: Path) -> None:
    assert last_record(tmp_path)[0].forecasts.empty
    record = last_record(tmp_path)[0]
    for name in ("v-1", "v-2"):
        write_once(tmp_path / name, lambda folder: write_value(record, folder))
    (tmp_path / "current").write_text("v-2")
    (tmp_path / "v-2" / "state.json").write_text("{}")
    found, lost = last_record(tmp_path)
    assert found.versions == ()
    assert len(lost) == 1
