"""Forecast tables: 12 months ahead for every studio and for the whole chain.

Built from the forecaster of a published model and written to `forecasts/` as Parquet and CSV. The forecasts
themselves are computed in `forecasting.forecaster`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from studio_pipeline.errors import QueryError
from studio_pipeline.forecasting.base.queries import Forecast, ForwardQuery
from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline.forecasting.intervals.interval_tables import IntervalTables
from studio_pipeline.forecasting.intervals.joint_simulation import central_interval, studio_sum_paths
from studio_pipeline.panel.arrays import StudioPanel
from studio_pipeline.publishing.storage import replace_file

HORIZON_MONTHS = 12
LEVEL = 0.9
DESCRIPTIONS: dict[str, str] = {
    "studio_id": "The studio.",
    "base_month": "The last known month.",
    "month_year": "The month that is forecast.",
    "horizon": "Months ahead, 1 to 12.",
    "revenue": "Mean of the predictive distribution, currency.",
    "lower_90": "Lower end of the 90 % interval, currency.",
    "upper_90": "Upper end of the 90 % interval, currency.",
    "confidence_score": "Chance that the month lands within 10 % of `revenue`.",
    "member_count": "Members at the month's end.",
    "retention_rate": "Share of the month before's members that stay, 0..1.",
}


@dataclass(frozen=True)
class ForecastTable:
    """Forecasts of many studios."""

    rows: pd.DataFrame
    refused: pd.DataFrame  # studio_id, reason: the studios that the model can't forecast


def forecast_table(forecaster: Forecaster) -> ForecastTable:
    """Forecast twelve months of every studio of the forecaster's panel, with every lever free."""
    names = [str(name) for name in forecaster.panel.studio_ids]
    query = ForwardQuery("", projection_months=HORIZON_MONTHS, interval_levels=(LEVEL,))
    answers = forecaster.forecast([replace(query, studio_id=name) for name in names])
    rows = [row for answer in answers if isinstance(answer, Forecast) for row in _rows(answer)]
    named = zip(names, answers, strict=True)
    refused = [(name, str(answer)) for name, answer in named if isinstance(answer, QueryError)]
    reasons = pd.DataFrame(refused, columns=["studio_id", "reason"])
    return ForecastTable(pd.DataFrame(rows, columns=list(DESCRIPTIONS)), reasons)


def chain_forecast(rows: pd.DataFrame, panel: StudioPanel, intervals: IntervalTables) -> pd.DataFrame:
    """Sums over the studios that have the panel's last month and have not closed.

    Errors are partly independent between studios and partly common to the market: the interval comes from
    joint draws, and so is narrower than the sum of the studios' intervals.

    Returns:
        base_month, month_year, horizon, studios, revenue, lower_90, upper_90; one row per month ahead.
    """
    last = pd.Timestamp(panel.months[-1]) if panel.n_studios else pd.NaT
    earns = rows.groupby("studio_id")["revenue"].transform("max") > 0
    open_rows = rows[(rows["base_month"] == last) & earns]
    sums = open_rows.groupby(["base_month", "month_year", "horizon"], as_index=False)
    chain = sums.agg(studios=("studio_id", "nunique"), revenue=("revenue", "sum"))
    bounds = np.zeros((2, len(chain)))
    if len(chain):
        by_studio = open_rows.sort_values(["studio_id", "horizon"])
        revenue, lower, upper = (
            by_studio[name].to_numpy(dtype=np.float64).reshape(-1, len(chain))
            for name in ("revenue", "lower_90", "upper_90")
        )
        scale = intervals.scale_of(np.stack([lower, upper], axis=2), LEVEL)
        bounds = central_interval(studio_sum_paths(intervals, revenue, scale), LEVEL)
    return chain.assign(lower_90=bounds[0], upper_90=bounds[1])


def write_forecast_files(home: Path, rows: pd.DataFrame, chain: pd.DataFrame) -> Path:
    """Write `studio_forecasts` and `chain_forecast` as Parquet and CSV; returns the folder `forecasts/`."""
    folder = home / "forecasts"
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in (("studio_forecasts", rows), ("chain_forecast", chain)):
        replace_file(folder / f"{name}.parquet", table.to_parquet(index=False))
        csv = table.to_csv(index=False, date_format="%Y-%m-%d")
        replace_file(folder / f"{name}.csv", csv.encode())
    return folder


def _rows(forecast: Forecast) -> Iterator[tuple[Any, ...]]:
    """A row a month, in the order of `DESCRIPTIONS`."""
    base = forecast.base_month.astype("datetime64[M]")
    money = (forecast.revenue, *forecast.intervals[LEVEL].T, forecast.confidence_score)
    figures = zip(*money, forecast.member_count, forecast.retention_rate, strict=True)
    for horizon, of_month in enumerate(figures, start=1):
        months = (pd.Timestamp(base), pd.Timestamp(base + np.timedelta64(horizon, "M")))
        yield (forecast.studio_id, *months, horizon, *of_month)
