"""Real and simulated months that are not the generator's: forecasts against what then happened.

The files lie beside the repository and are not part of it; where they are absent the tests skip.
"""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from studio_pipeline.forecasting.base.hyperparameters import ForecastingConfig
from studio_pipeline.forecasting.base.queries import ForwardQuery
from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline.panel.frames import panel_from_frame
from studio_pipeline_tests.forecasting.fleets import answered, fit_all
from studio_pipeline_tests.panel.conftest import BROADWAY_MAP, SHARED, Landing

NOW = datetime(2024, 1, 1, tzinfo=UTC)
HELD_OUT = 6
FEWEST_MONTHS = 24

pytestmark = [
    pytest.mark.campaign,
    pytest.mark.skipif(not SHARED.is_dir(), reason="the folder with real data is not beside the repository"),
]


def months_of(file: Path, tmp_path: Path, column_map: Path | None = None) -> pd.DataFrame:
    landing = Landing(tmp_path)
    landing.put(file.name, file.read_bytes())
    if column_map is not None:
        landing.put(f"{file.name}.columns.yaml", column_map.read_bytes())
    return landing.validate(NOW).frame


def broadway(tmp_path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Months that are given, and the last six full ones of each run with at least 24."""
    frame = months_of(SHARED / "data" / "broadway_monthly.csv", tmp_path, BROADWAY_MAP)
    by_run = frame.groupby("studio_id")["month_year"]
    is_held = (by_run.transform("size") >= FEWEST_MONTHS) & (by_run.cumcount(ascending=False) < HELD_OUT)
    assert frame[is_held]["studio_id"].nunique() == 49
    return frame[~is_held], frame[is_held]


def test_alpha_is_forecast_well_and_within_its_intervals(tmp_path: Path) -> None:
    """The year after the history: half of persistence's error at month 1, and intervals that hold."""
    world = SHARED / "worlds" / "alpha"
    frame = months_of(world / "history.csv", tmp_path)
    assert len(frame) == 18_000
    panel = panel_from_frame(frame)
    fitted = fit_all(panel, configuration=ForecastingConfig())
    queries = [ForwardQuery(str(name), projection_months=12) for name in panel.studio_ids]
    answers = answered(Forecaster(fitted.model, panel), queries)
    future = pd.read_csv(world / "future.csv").sort_values(["studio_id", "month_year"])
    actual = future["total_revenue"].to_numpy().reshape(-1, 12)
    revenue = np.stack([answer.revenue for answer in answers])
    bounds = np.stack([answer.intervals[0.9] for answer in answers])
    inside = ((bounds[..., 0] <= actual) & (actual <= bounds[..., 1])).mean()
    spans = {h: np.abs(revenue - actual)[:, :h].sum() / actual[:, :h].sum() for h in (1, 3, 12)}
    print(f"alpha, WAPE by months: {spans}; 90 % intervals hold {inside:.3f}")  # noqa: T201
    assert spans[1] <= 0.0249
    assert spans[3] <= 0.0335
    assert spans[12] <= 0.0631
    assert 0.86 <= inside <= 0.98
