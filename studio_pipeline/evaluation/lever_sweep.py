"""What each lever would do to a typical studio: a year's revenue over the whole range of that lever alone."""

from __future__ import annotations

import numpy as np
import pandas as pd

from studio_pipeline.evaluation.present_levers import present_levers, shown_ranges, typical_studio
from studio_pipeline.forecasting.bounds import Range, lever_bounds
from studio_pipeline.forecasting.forecaster import Forecaster
from studio_pipeline.forecasting.hyperparameters import MAX_HORIZON_MONTHS
from studio_pipeline.forecasting.queries import Forecast, ForwardQuery
from studio_pipeline.panel.arrays import FloatArray

SWEEP_COLUMNS: dict[str, str] = {
    "studio_id": "The typical studio.",
    "lever": "The one lever that is held; all others are free.",
    "value": "What it is held at, in its own unit.",
    "is_present": "Whether that is where the lever stands: its mean over the last three months.",
    "shown_low": "The smallest value that the studio has shown.",
    "shown_high": "The largest value that the studio has shown.",
    "revenue": "Expected revenue of the next twelve months, currency.",
    "lower_90": "Lower end of its 90 % interval, currency.",
    "upper_90": "Upper end of its 90 % interval, currency.",
    "free_revenue": "The same revenue with every lever free, currency.",
}
POINTS = 25
BEYOND_SHARE_OF_RANGE = 0.25
BEYOND_SHARE_OF_PRESENT = 0.1
LEVEL = 0.9


def sweep_levers(forecaster: Forecaster) -> pd.DataFrame:
    """A year's revenue of the typical studio with each lever held at values in and beyond its shown range.

    Args:
        forecaster: a model and the panel whose typical studio is asked about.

    Returns:
        Columns as `SWEEP_COLUMNS`, a row a lever and value, values increasing. A lever that the studio's data
        can't carry is left out.
    """
    panel = forecaster.panel
    row = typical_studio(panel)
    studio = str(panel.studio_ids[row])
    now = {lever: float(values[row]) for lever, values in present_levers(panel).items()}
    shown = shown_ranges(panel, row)
    asked = [(lever, value) for lever in shown for value in sweep_values(lever, shown[lever], now[lever])]
    free, *answers = forecaster.forecast([_query(studio, {}), *(_query(studio, {k: v}) for k, v in asked)])
    if not isinstance(free, Forecast):
        return pd.DataFrame(columns=list(SWEEP_COLUMNS))
    rows = [
        {
            "studio_id": studio,
            "lever": lever,
            "value": value,
            "is_present": value == now[lever],
            "shown_low": shown[lever][0],
            "shown_high": shown[lever][1],
            "revenue": answer.total_revenue,
            "lower_90": answer.total_intervals[LEVEL][0],
            "upper_90": answer.total_intervals[LEVEL][1],
            "free_revenue": free.total_revenue,
        }
        for (lever, value), answer in zip(asked, answers, strict=True)
        if isinstance(answer, Forecast)
    ]
    return pd.DataFrame(rows, columns=list(SWEEP_COLUMNS))


def sweep_values(lever: str, shown: Range, present: float) -> list[float]:
    """Increasing values to hold a lever at: the shown range, a little beyond it, and where it stands.

    Beyond is a quarter of the range or a tenth of the present value, whichever is more, within the lever's
    bounds. The present value is one of them, exactly, where it is known.
    """
    low, high = lever_bounds(lever, *shown)
    known = np.isfinite(present)
    beyond = max(
        BEYOND_SHARE_OF_RANGE * (shown[1] - shown[0]), BEYOND_SHARE_OF_PRESENT * (present if known else 0)
    )
    values: FloatArray = np.linspace(max(shown[0] - beyond, low), min(shown[1] + beyond, high), POINTS)
    return sorted({*values.tolist(), *([present] if known else [])})


def _query(studio_id: str, levers: dict[str, float]) -> ForwardQuery:
    return ForwardQuery(
        studio_id, projection_months=MAX_HORIZON_MONTHS, levers=levers, interval_levels=(LEVEL,)
    )
