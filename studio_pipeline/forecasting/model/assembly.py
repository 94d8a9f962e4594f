"""Assembly of a model version from fits: ensemble forecasts, interval tables, accuracy and the ONNX ensemble.

The core, learners and weights are fitted elsewhere (`backtest`, `ensemble.weights`); the assembled model and
its storage are in `studio_model`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from studio_pipeline.forecasting.backtest.core_backtest import CoreFit
from studio_pipeline.forecasting.base.flows import TARGETS
from studio_pipeline.forecasting.base.given_levers import known_levers
from studio_pipeline.forecasting.base.hyperparameters import MAX_HORIZON_MONTHS, ForecastingConfig
from studio_pipeline.forecasting.ensemble.candidates import CANDIDATES, combine
from studio_pipeline.forecasting.ensemble.weights import EnsembleWeights, candidate_stack
from studio_pipeline.forecasting.features.feature_function import cut_windows
from studio_pipeline.forecasting.features.feature_matrix import ROW_FEATURES
from studio_pipeline.forecasting.intervals.calibration import fit_intervals
from studio_pipeline.forecasting.intervals.interval_tables import IntervalTables
from studio_pipeline.forecasting.intervals.lever_share_fitting import measured_shares, young_widening
from studio_pipeline.forecasting.learners.learner import LearnerFit
from studio_pipeline.forecasting.learners.onnx_ensemble import OnnxEnsemble, joined_graph
from studio_pipeline.forecasting.model.studio_model import StudioModel
from studio_pipeline.panel.arrays import BoolArray, FloatArray, StudioPanel


def ensemble_out_of_fold(
    core: CoreFit, fits: Sequence[LearnerFit], weights: EnsembleWeights, target: str
) -> FloatArray:
    """(N, H) out-of-fold forecasts of the ensemble, each fold with the weights known at its cutoff."""
    stack = candidate_stack(core, fits, target)
    forecast = np.full(stack.shape[1:], np.nan)
    for number in range(len(core.folds)):
        here = core.out_of_fold.fold == number
        forecast[here] = combine(stack[:, here], weights.matrix(target, number))
    return forecast


def known_by(core: CoreFit, target: str, cutoff: int) -> FloatArray:
    """(N, H) actual values after the out-of-fold origins; NaN in months after a cutoff."""
    months = core.out_of_fold.origins.columns[:, None] + np.arange(1, MAX_HORIZON_MONTHS + 1)
    return np.where(months <= cutoff, core.out_of_fold.actual[target], np.nan)


def interval_tables(
    panel: StudioPanel,
    core: CoreFit,
    forecast: FloatArray,
    actual: FloatArray,
    used: BoolArray,
    configuration: ForecastingConfig,
) -> IntervalTables:
    """Fits interval tables to the chosen out-of-fold forecasts of revenue.

    A month without revenue is a closure and not a forecast error: it is left out of residuals, scales and the
    market error, as are forecasts made in such a month.

    `panel`: the months up to the one at which the tables are made; `forecast`: (N, H) by the ensemble;
    `actual`: (N, H) known months after the origins, NaN elsewhere; `used`: (N,) mask of the chosen origins.
    """
    oof = core.out_of_fold
    actual = np.where(actual > 0, actual, np.nan)
    rows, columns = oof.origins.rows[used], oof.origins.columns[used]
    used = used.copy()
    used[used] = panel.values["total_revenue"][rows, columns] > 0
    if used.any():
        rows, columns = oof.origins.rows[used], oof.origins.columns[used]
        expected, happened = forecast[used], actual[used]
    else:
        # Without forecasts, the latest months of the studios determine the scales.
        rows, columns = np.arange(panel.n_studios), np.maximum(panel.last_months, 0)
        expected = happened = np.full((panel.n_studios, MAX_HORIZON_MONTHS), np.nan)
    windows = cut_windows(panel, rows, columns).values
    young = young_widening(core, actual, used)
    found = fit_intervals(expected, happened, windows, columns, configuration.intervals, young)
    if not used.any():
        return found.tables
    levers = known_levers(panel, oof.origins)
    return replace(found.tables, levers=measured_shares(oof, levers, actual, used, found))


def assemble_model(
    panel: StudioPanel,
    core: CoreFit,
    fits: Sequence[LearnerFit],
    weights: EnsembleWeights,
    configuration: ForecastingConfig,
) -> StudioModel:
    """Assembles the model version to serve.

    Its intervals are fitted on the out-of-fold forecasts of all folds but the first, which has no weights
    from an earlier fold; if there is only one fold, it is used.

    `core`: backtest of the core, with its fit on all months.
    """
    oof = core.out_of_fold
    forecast = ensemble_out_of_fold(core, fits, weights, "revenue")
    used = oof.fold >= min(1, max(len(core.folds) - 1, 0))
    tables = interval_tables(panel, core, forecast, oof.actual["revenue"], used, configuration)
    matrices = {target: weights.matrix(target) for target in TARGETS}
    return StudioModel(
        core.parameters,
        matrices,
        tables,
        _accuracy(forecast[used], oof.actual["revenue"][used]),
        correction_graph(fits, matrices),
    )


def _accuracy(forecast: FloatArray, actual: FloatArray) -> FloatArray:
    """(H,) 1 - WAPE over the first h months."""
    known = np.isfinite(actual) & np.isfinite(forecast)
    missed = np.where(known, np.abs(actual - forecast), 0.0).sum(0).cumsum()
    size = np.where(known, np.abs(actual), 0.0).sum(0).cumsum()
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(size > 0, 1 - missed / size, np.nan)


def correction_graph(fits: Sequence[LearnerFit], weights: Mapping[str, FloatArray]) -> OnnxEnsemble | None:
    """One ONNX graph of the learners with weight for some target and horizon; None if no learner has any."""
    weighing = [
        (fit, target)
        for fit in fits
        for target in fit.onnx_models
        if weights[target][:, CANDIDATES.index(fit.learner)].any()
    ]
    if not weighing:
        return None
    return OnnxEnsemble(
        joined_graph([fit.onnx_models[target] for fit, target in weighing], len(ROW_FEATURES)),
        tuple((fit.learner, target) for fit, target in weighing),
        tuple(fit.sizes[target] for fit, target in weighing),
    )
