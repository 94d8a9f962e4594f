"""Sweep of each lever over its range for a typical studio.

One-at-a-time sensitivity: each lever is held at values in and somewhat beyond its historical range, all
others stay free. Also the present values and historical ranges of levers. Bounds of levers are in
`forecasting.base.bounds`, comparison with true effects in `true_effects`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from studio_pipeline.evaluation.metrics.schemas import SWEEP
from studio_pipeline.forecasting.base.bounds import START_LEVER, Range, lever_bounds
from studio_pipeline.forecasting.base.hyperparameters import MAX_HORIZON_MONTHS
from studio_pipeline.forecasting.base.queries import Forecast, ForwardQuery
from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline.panel.arrays import FloatArray, IntArray, StudioPanel, ratio
from studio_pipeline.panel.closures import closed_months
from studio_pipeline.panel.columns import LEVER_COLUMNS

RECENT_MONTHS = 3
YEAR_MONTHS = 12


def present_levers(panel: StudioPanel) -> dict[str, FloatArray]:
    """Lever to (S,) its mean over each studio's last three months; the number of members is the last one.

    NaN where it is unknown in all of these months.
    """
    last = panel.last_months
    return {
        lever: _recent_mean(panel.values[column], last, 1 if lever == START_LEVER else RECENT_MONTHS)
        for lever, column in LEVER_COLUMNS.items()
    }


def _recent_mean(values: FloatArray, last: IntArray, months: int) -> FloatArray:
    """(S,) mean of the known values in the months up to each studio's last column; NaN if none are known."""
    columns = last[:, None] - np.arange(months)
    recent = np.where(columns >= 0, np.take_along_axis(values, np.maximum(columns, 0), 1), np.nan)
    known = np.isfinite(recent)
    return ratio(np.where(known, recent, 0.0).sum(1), known.sum(1))


def shown_ranges(panel: StudioPanel, row: int) -> dict[str, Range]:
    """Lever to its smallest and largest historical value for a studio; levers without values are left out."""
    known = {lever: panel.values[column][row] for lever, column in LEVER_COLUMNS.items()}
    known = {lever: values[np.isfinite(values)] for lever, values in known.items()}
    return {lever: (float(v.min()), float(v.max())) for lever, v in known.items() if v.size}


def typical_studio(panel: StudioPanel) -> int:
    """Row of the studio nearest to the median in revenue over a year and in members, on log scales.

    Chosen among the studios open in the panel's last month and, if possible, with known members. Independent
    of the names and the order of studios: of several equally near ones the one with the lowest revenue, then
    with the fewest members.
    """
    revenue = _positive(_recent_mean(panel.values["total_revenue"], panel.last_months, YEAR_MONTHS))
    members = _positive(_recent_mean(panel.values["total_members"], panel.last_months, 1))
    among = panel.last_months == panel.last_months.max()
    trading = ~closed_months(panel)[np.arange(panel.n_studios), panel.last_months]
    for known in (np.isfinite(revenue), trading, np.isfinite(members)):
        among = among & known if (among & known).any() else among
    distance = _distance(revenue, among) + _distance(members, among)
    return int(np.lexsort((members, revenue, np.where(among, distance, np.inf)))[0])


def _positive(values: FloatArray) -> FloatArray:
    return np.log(np.where(values > 0, values, np.nan))


def _distance(values: FloatArray, among: np.ndarray) -> FloatArray:
    """(S,) distance from the median of the chosen studios; 0 where unknown."""
    known = values[among & np.isfinite(values)]
    return np.nan_to_num(np.abs(values - np.median(known))) if known.size else np.zeros(len(values))


POINTS = 25
BEYOND_SHARE_OF_RANGE = 0.25
BEYOND_SHARE_OF_PRESENT = 0.1
LEVEL = 0.9


def sweep_levers(forecaster: Forecaster) -> pd.DataFrame:
    """Forecast a year's revenue of the typical studio with each lever held at values in and beyond its range.

    Returns:
        As `schemas.SWEEP`, one row per lever and value, values increasing. Levers that can't be forecast
        from the studio's data are left out.
    """
    panel = forecaster.panel
    row = typical_studio(panel)
    studio = str(panel.studio_ids[row])
    now = {lever: float(values[row]) for lever, values in present_levers(panel).items()}
    shown = shown_ranges(panel, row)
    queries = [(lever, value) for lever in shown for value in sweep_values(lever, shown[lever], now[lever])]
    levers: list[dict[str, float]] = [{}, *({lever: value} for lever, value in queries)]
    free, *answers = forecaster.forecast(
        [ForwardQuery(studio, None, MAX_HORIZON_MONTHS, held, interval_levels=(LEVEL,)) for held in levers]
    )
    if not isinstance(free, Forecast):
        return pd.DataFrame(columns=list(SWEEP.columns))
    rows = []
    for (lever, value), answer in zip(queries, answers, strict=True):
        if isinstance(answer, Forecast):
            held = (lever, value, value == now[lever], *shown[lever])
            earned = (answer.total_revenue, *answer.total_intervals[LEVEL], free.total_revenue)
            rows.append((studio, *held, *earned))
    return pd.DataFrame(rows, columns=list(SWEEP.columns))


def sweep_values(lever: str, shown: Range, present: float) -> list[float]:
    """Increasing values to hold a lever at: the historical range, values beyond it, and the present value.

    The range is extended by a quarter of it or by a tenth of the present value, whichever is more, within the
    lever's bounds. The present value is included exactly, if it is known.
    """
    low, high = lever_bounds(lever, *shown)
    known = np.isfinite(present)
    beyond = max(
        BEYOND_SHARE_OF_RANGE * (shown[1] - shown[0]), BEYOND_SHARE_OF_PRESENT * (present if known else 0)
    )
    values: FloatArray = np.linspace(max(shown[0] - beyond, low), min(shown[1] + beyond, high), POINTS)
    return sorted({*values.tolist(), *([present] if known else [])})
