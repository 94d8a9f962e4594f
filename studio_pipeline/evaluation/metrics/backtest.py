"""The backtest as one table: out-of-fold forecasts with intervals, actual values and baselines.

Each fold uses weights and intervals fitted on earlier folds only, so a score never depends on the origins
that it is computed on. The first fold has no earlier ones and is left out if there are others. Folds and
out-of-fold forecasts come from `forecasting.backtest`; metrics are in `metrics`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from studio_pipeline.evaluation.metrics.prediction_table import (
    BOUNDS,
    INTERVAL_LEVELS_PERCENT,
    LEVERS_KNOWN,
    SIMPLE_BASELINES,
    TOTAL,
)
from studio_pipeline.forecasting.backtest.core_backtest import CoreFit
from studio_pipeline.forecasting.base.flows import TARGET_COLUMNS, TARGETS
from studio_pipeline.forecasting.base.hyperparameters import LEARNERS, MAX_HORIZON_MONTHS, ForecastingConfig
from studio_pipeline.forecasting.ensemble.candidates import CANDIDATES
from studio_pipeline.forecasting.ensemble.weights import EnsembleWeights, candidate_stack
from studio_pipeline.forecasting.features.feature_function import cut_windows
from studio_pipeline.forecasting.learners.learner import LearnerFit
from studio_pipeline.forecasting.model.assembly import ensemble_out_of_fold, interval_tables, known_by
from studio_pipeline.panel.arrays import FloatArray, StudioPanel, ratio


def _revenue_bounds(
    panel: StudioPanel, core: CoreFit, forecast: FloatArray, configuration: ForecastingConfig
) -> dict[str, FloatArray]:
    """Each of `BOUNDS` as an (N, H) array over the out-of-fold origins, of the ensemble's forecast."""
    oof = core.out_of_fold
    found = {name: np.full(forecast.shape, np.nan) for name in BOUNDS}
    for number, fold in enumerate(core.folds):
        here = oof.fold == number
        actual = known_by(core, "revenue", fold.cutoff)
        tables = interval_tables(
            panel.until(fold.cutoff), core, forecast, actual, oof.fold < number, configuration
        )
        windows = cut_windows(panel, oof.origins.rows[here], oof.origins.columns[here]).values
        part, scale = forecast[here], tables.scale(windows)
        for percent in INTERVAL_LEVELS_PERCENT:
            month = tables.interval(part, scale, percent / 100)
            found[f"lower_{percent}"][here], found[f"upper_{percent}"][here] = month[..., 0], month[..., 1]
        sums, last = np.cumsum(part, 1), INTERVAL_LEVELS_PERCENT[-1] / 100
        for h in range(part.shape[1]):
            total = tables.total_interval(sums[:, h], scale, h + 1, last)
            found[f"lower_{TOTAL}"][here, h], found[f"upper_{TOTAL}"][here, h] = total[..., 0], total[..., 1]
    return found


def backtest(
    panel: StudioPanel,
    core: CoreFit,
    fits: Sequence[LearnerFit],
    weights: EnsembleWeights,
    configuration: ForecastingConfig,
) -> pd.DataFrame:
    """Table of backtest forecasts: one row per studio, origin, horizon and target with a known actual value.

    Returns:
        Columns studio_id, base_month, horizon, month_year, target, actual, last_known, ensemble, core, the
        learners, the baselines, scale (the in-sample error of the seasonal naive), and for revenue only the
        bounds (`BOUNDS`) and the forecast with levers known.
    """
    first = min(1, max(len(core.folds) - 1, 0))
    tables = []
    for target in TARGETS:
        forecast = ensemble_out_of_fold(core, fits, weights, target)
        stack = dict(zip(CANDIDATES, candidate_stack(core, fits, target), strict=True))
        columns = {"ensemble": forecast, **{n: stack[n] for n in ("core", *LEARNERS, *SIMPLE_BASELINES)}}
        if target == "revenue":
            # Of the core: with retention, new members and price given, members and revenue follow from them,
            # and the corrections of the ensemble would add next to nothing.
            columns |= _revenue_bounds(panel, core, forecast, configuration)
            columns |= {LEVERS_KNOWN: core.out_of_fold.known.all_known["revenue"]}
        tables.append(_target_table(panel, core, target, columns, first))
    return pd.concat(tables, ignore_index=True)


def _target_table(
    panel: StudioPanel, core: CoreFit, target: str, columns: dict[str, FloatArray], first_fold: int
) -> pd.DataFrame:
    oof = core.out_of_fold
    kept = (oof.fold >= first_fold)[:, None] & np.isfinite(oof.actual[target])
    kept &= np.isfinite(oof.last_known[target])[:, None]
    origin, ahead = np.nonzero(kept)
    base = oof.origins.columns[origin]
    table = {
        "studio_id": panel.studio_ids[oof.origins.rows[origin]].astype(object),
        "base_month": panel.months[base].astype("datetime64[ns]"),
        "horizon": ahead + 1,
        "month_year": panel.months[base + ahead + 1].astype("datetime64[ns]"),
        "target": np.full(len(origin), target, dtype=object),
        "actual": oof.actual[target][origin, ahead],
        "last_known": oof.last_known[target][origin],
    }
    table |= {name: values[origin, ahead] for name, values in columns.items()}
    unknown = np.full(len(origin), np.nan)
    for name in BOUNDS:
        table.setdefault(name, unknown)
    table["scale"] = _naive_scale(panel, target, core)[oof.origins.rows[origin]]
    table[LEVERS_KNOWN] = table.pop(LEVERS_KNOWN, unknown)
    return pd.DataFrame(table)


def _naive_scale(panel: StudioPanel, target: str, core: CoreFit) -> FloatArray:
    """(S,) mean absolute seasonal difference before the first cutoff; NaN where less than a year is known."""
    until = core.folds[0].cutoff + 1 if core.folds else panel.n_months
    values = panel.values[TARGET_COLUMNS[target]][:, :until]
    if until <= MAX_HORIZON_MONTHS:
        return np.full(panel.n_studios, np.nan)
    change = np.abs(values[:, 12:] - values[:, :-12])
    known = np.isfinite(change)
    mean = ratio(np.where(known, change, 0.0).sum(1), known.sum(1))
    return np.where(mean > 0, mean, np.nan)
