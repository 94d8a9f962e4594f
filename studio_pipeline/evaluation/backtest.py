"""The backtest as one table: every out-of-fold forecast beside what happened, its interval and the baselines.

Each fold uses weights and intervals from earlier folds alone, so a score never rests on the origins that
chose them. The first fold has nothing before it and is left out where there are others.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from studio_pipeline.evaluation.backtest_intervals import BOUNDS, revenue_bounds
from studio_pipeline.evaluation.candidates import LEARNERS, SIMPLE_BASELINES
from studio_pipeline.forecasting.assembly import ensemble_out_of_fold
from studio_pipeline.forecasting.candidates import CANDIDATES
from studio_pipeline.forecasting.core_fit import CoreFit
from studio_pipeline.forecasting.hyperparameters import MAX_HORIZON_MONTHS, ForecastingConfiguration
from studio_pipeline.forecasting.learners import LearnerFit
from studio_pipeline.forecasting.targets import TARGET_COLUMNS, TARGETS
from studio_pipeline.forecasting.weights import EnsembleWeights, candidate_stack
from studio_pipeline.panel.arrays import FloatArray, StudioPanel


def backtest(
    panel: StudioPanel,
    core: CoreFit,
    fits: Sequence[LearnerFit],
    weights: EnsembleWeights,
    configuration: ForecastingConfiguration,
) -> pd.DataFrame:
    """One row a studio, origin, horizon and target whose month is known.

    Returns:
        Columns studio_id, base_month, horizon, month_year, target, actual, last_known, ensemble, core, the
        learners, the baselines, of revenue alone the bounds (`backtest_intervals.BOUNDS`), and scale,
        the in-sample error of the seasonal naive.
    """
    of_revenue = revenue_bounds(panel, core, fits, weights, configuration)
    first = min(1, max(len(core.folds) - 1, 0))
    tables = []
    for target in TARGETS:
        forecast = ensemble_out_of_fold(core, fits, weights, target)
        stack = dict(zip(CANDIDATES, candidate_stack(core, fits, target), strict=True))
        columns = {"ensemble": forecast, "core": stack["core"]} | {
            n: stack[n] for n in (*LEARNERS, *SIMPLE_BASELINES)
        }
        if target == "revenue":
            columns |= of_revenue
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
    for name in BOUNDS:
        table.setdefault(name, np.full(len(origin), np.nan))
    table["scale"] = _naive_scale(panel, target, core)[oof.origins.rows[origin]]
    return pd.DataFrame(table)


def _naive_scale(panel: StudioPanel, target: str, core: CoreFit) -> FloatArray:
    """(S,) mean absolute seasonal difference of each studio before the first fold's cutoff; NaN where under a
    year is known.
    """
    until = core.folds[0].cutoff + 1 if core.folds else panel.n_months
    values = panel.values[TARGET_COLUMNS[target]][:, :until]
    if until <= MAX_HORIZON_MONTHS:
        return np.full(panel.n_studios, np.nan)
    change = np.abs(values[:, 12:] - values[:, :-12])
    known = np.isfinite(change)
    total, count = np.where(known, change, 0.0).sum(1), known.sum(1)
    return np.where((count > 0) & (total > 0), total / np.maximum(count, 1), np.nan)
