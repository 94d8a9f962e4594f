"""From fits to a model version: ensemble out-of-fold forecasts, the intervals they calibrate, and the graphs
that count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from studio_pipeline.forecasting.calibration import fit_intervals
from studio_pipeline.forecasting.candidates import CANDIDATES, combine
from studio_pipeline.forecasting.core_fit import CoreFit
from studio_pipeline.forecasting.correction_graph import CorrectionGraph
from studio_pipeline.forecasting.folds import Origins
from studio_pipeline.forecasting.hyperparameters import MAX_HORIZON_MONTHS, ForecastingConfiguration
from studio_pipeline.forecasting.intervals import IntervalTables, studio_scales, typical_scale
from studio_pipeline.forecasting.learners import LearnerFit
from studio_pipeline.forecasting.learning_rows import ROW_FEATURES
from studio_pipeline.forecasting.model import StudioModel
from studio_pipeline.forecasting.onnx_export import joined_graph
from studio_pipeline.forecasting.targets import TARGETS
from studio_pipeline.forecasting.weights import EnsembleWeights, candidate_stack
from studio_pipeline.forecasting.windows import cut_windows
from studio_pipeline.panel.arrays import BoolArray, FloatArray, StudioPanel


def ensemble_out_of_fold(
    core: CoreFit, fits: Sequence[LearnerFit], weights: EnsembleWeights, target: str
) -> FloatArray:
    """(N, H) forecasts of the ensemble, each fold under the weights that were known at its cutoff."""
    stack = candidate_stack(core, fits, target)
    forecast = np.full(stack.shape[1:], np.nan)
    for number in range(len(core.folds)):
        here = core.out_of_fold.fold == number
        forecast[here] = combine(stack[:, here], weights.matrix(target, number))
    return forecast


def known_by(core: CoreFit, target: str, cutoff: int) -> FloatArray:
    """(N, H) actual months of the out-of-fold origins, NaN where the month lies after a cutoff."""
    months = core.out_of_fold.origins.columns[:, None] + np.arange(1, MAX_HORIZON_MONTHS + 1)
    return np.where(months <= cutoff, core.out_of_fold.actual[target], np.nan)


def interval_tables(
    panel: StudioPanel,
    origins: Origins,
    forecast: FloatArray,
    actual: FloatArray,
    used: BoolArray,
    configuration: ForecastingConfiguration,
) -> IntervalTables:
    """Tables from the chosen out-of-fold forecasts of revenue."""
    chosen = Origins(origins.rows[used], origins.columns[used])
    windows = cut_windows(panel, chosen.rows, chosen.columns).values
    panel_scale = typical_scale(windows)
    scale = studio_scales(windows, panel_scale, configuration.intervals.own_scale_months)
    return fit_intervals(
        forecast[used],
        actual[used],
        scale,
        chosen.columns,
        panel_scale,
        configuration.intervals.own_scale_months,
    )


def assemble_model(
    panel: StudioPanel,
    core: CoreFit,
    fits: Sequence[LearnerFit],
    weights: EnsembleWeights,
    configuration: ForecastingConfiguration,
) -> StudioModel:
    """The model version that all months give.

    Its weights are fitted on all out-of-fold forecasts; its intervals on those of every fold that had weights
    of its own, that is all but the first.
    """
    oof = core.out_of_fold
    forecast = ensemble_out_of_fold(core, fits, weights, "revenue")
    used = oof.fold >= min(1, max(len(core.folds) - 1, 0))
    tables = interval_tables(panel, oof.origins, forecast, oof.actual["revenue"], used, configuration)
    if not used.any():
        rows = np.arange(panel.n_studios)
        latest = cut_windows(panel, rows, np.maximum(panel.last_months, 0)).values
        tables = IntervalTables(
            tables.levels, tables.month, tables.total, typical_scale(latest), tables.own_scale_months
        )
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


def correction_graph(fits: Sequence[LearnerFit], weights: Mapping[str, FloatArray]) -> CorrectionGraph | None:
    """One graph of the learners that have weight for a target at some horizon; None where none has."""
    weighing = [
        (fit, target)
        for fit in fits
        for target in fit.onnx_models
        if weights[target][:, CANDIDATES.index(fit.learner)].any()
    ]
    if not weighing:
        return None
    return CorrectionGraph(
        joined_graph([fit.onnx_models[target] for fit, target in weighing], len(ROW_FEATURES)),
        tuple((fit.learner, target) for fit, target in weighing),
        tuple(fit.sizes[target] for fit, target in weighing),
    )
