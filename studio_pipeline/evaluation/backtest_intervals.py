"""The intervals of the backtest: each fold's from tables that the folds before it calibrate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from studio_pipeline.evaluation.candidates import INTERVAL_LEVELS_PERCENT
from studio_pipeline.forecasting.assembly import ensemble_out_of_fold, interval_tables, known_by
from studio_pipeline.forecasting.core_fit import CoreFit
from studio_pipeline.forecasting.hyperparameters import ForecastingConfiguration
from studio_pipeline.forecasting.intervals import IntervalTables
from studio_pipeline.forecasting.learners import LearnerFit
from studio_pipeline.forecasting.weights import EnsembleWeights
from studio_pipeline.forecasting.windows import cut_windows
from studio_pipeline.panel.arrays import FloatArray, StudioPanel

BOUNDS: tuple[str, ...] = tuple(
    f"{end}_{kind}"
    for kind in (*map(str, INTERVAL_LEVELS_PERCENT), f"total_{INTERVAL_LEVELS_PERCENT[-1]}")
    for end in ("lower", "upper")
)
"""Bounds: of single months at each level, and at the last of the sum over months 1 to the row's."""


def revenue_bounds(
    panel: StudioPanel,
    core: CoreFit,
    fits: Sequence[LearnerFit],
    weights: EnsembleWeights,
    configuration: ForecastingConfiguration,
) -> dict[str, FloatArray]:
    """Each of `BOUNDS` as an (N, H) array over the out-of-fold origins."""
    oof = core.out_of_fold
    forecast = ensemble_out_of_fold(core, fits, weights, "revenue")
    found = {name: np.full(forecast.shape, np.nan) for name in BOUNDS}
    for number, fold in enumerate(core.folds):
        here = oof.fold == number
        actual = known_by(core, "revenue", fold.cutoff)
        tables = interval_tables(
            panel.until(fold.cutoff), core, forecast, actual, oof.fold < number, configuration
        )
        windows = cut_windows(panel, oof.origins.rows[here], oof.origins.columns[here]).values
        for name, bounds in _bounds(tables, forecast[here], tables.scale(windows)).items():
            found[name][here] = bounds
    return found


def _bounds(tables: IntervalTables, forecast: FloatArray, scale: FloatArray) -> dict[str, FloatArray]:
    found: dict[str, FloatArray] = {}
    for percent in INTERVAL_LEVELS_PERCENT:
        month = tables.interval(forecast, scale, percent / 100)
        found |= {f"lower_{percent}": month[..., 0], f"upper_{percent}": month[..., 1]}
    last = INTERVAL_LEVELS_PERCENT[-1]
    sums = np.cumsum(forecast, 1)
    totals = [tables.total_interval(sums[:, h], scale, h + 1, last / 100) for h in range(forecast.shape[1])]
    total = np.stack(totals, axis=1)
    return found | {f"lower_total_{last}": total[..., 0], f"upper_total_{last}": total[..., 1]}
