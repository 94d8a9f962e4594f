"""Forecast errors of the backtest as input of the drift monitor: studios by months, log scale.

Live errors are not used here; they are watched in `monitoring.accuracy`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from studio_pipeline.panel.arrays import FloatArray, StudioPanel

HORIZONS = (1, 3)


def backtest_errors(predictions: pd.DataFrame, panel: StudioPanel) -> dict[str, FloatArray]:
    """Log of actual over forecast revenue, by the month that was forecast; NaN where there is no forecast.

    Args:
        predictions: rows as `evaluation.schemas.PREDICTIONS` describes them; rows of studios or months that
            the panel lacks are left out.
        panel: the months of the report.

    Returns:
        `error_1_month_ahead` and `error_3_months_ahead`, each (S, T).
    """
    return {_name(horizon): _errors(predictions, panel, horizon) for horizon in HORIZONS}


def _name(horizon: int) -> str:
    return f"error_{horizon}_month{'s' if horizon > 1 else ''}_ahead"


def _errors(predictions: pd.DataFrame, panel: StudioPanel, horizon: int) -> FloatArray:
    grid = np.full((panel.n_studios, panel.n_months), np.nan)
    if predictions.empty:
        return grid
    chosen = predictions[(predictions["target"] == "revenue") & (predictions["horizon"] == horizon)]
    actual, forecast = (chosen[name].to_numpy(np.float64) for name in ("actual", "ensemble"))
    rows = np.array([panel.rows.get(str(name), -1) for name in chosen["studio_id"]], dtype=np.int64)
    months = chosen["month_year"].to_numpy().astype("datetime64[M]")
    columns = (months - panel.first_month.astype("datetime64[M]")).astype(np.int64)
    usable = (actual > 0) & (forecast > 0) & (rows >= 0) & (columns >= 0) & (columns < panel.n_months)
    grid[rows[usable], columns[usable]] = np.log(actual[usable] / forecast[usable])
    return grid
