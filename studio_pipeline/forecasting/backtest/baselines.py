"""Candidates that need no learner: core, direct level, exponential smoothing, persistence, seasonal naive.

Called both by the backtest (out-of-fold forecasts) and by the forecaster (origin states), so that a candidate
is computed in one way. Learners' corrections are in `learner_backtest`, the weighting in `ensemble`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from studio_pipeline.forecasting.base.flows import TARGET_COLUMNS, TARGETS, one_flow
from studio_pipeline.forecasting.base.hyperparameters import MAX_HORIZON_MONTHS
from studio_pipeline.forecasting.base.origins import Origins, months_at
from studio_pipeline.forecasting.core.exponential_smoothing import own_smoothing
from studio_pipeline.forecasting.core.simulation import CorePaths, core_targets
from studio_pipeline.forecasting.core.states import SMOOTHED_FLOWS, CoreStates
from studio_pipeline.panel.arrays import FloatArray, IntArray

BASELINES: tuple[str, ...] = ("persistence", "seasonal_naive", "seasonal_naive_growth")

_GROWTH_MONTHS = 3
_LARGEST_GROWTH = 2.0


def baseline_forecasts(values: FloatArray, origins: Origins) -> dict[str, FloatArray]:
    """Name in `BASELINES` to (N, 12) forecasts of (S, T) values from N origins.

    NaN where the origin itself is unknown; where the month a year before is unknown, both seasonal baselines
    equal persistence.
    """
    last = values[origins.rows, origins.columns][:, None]
    year_ago = months_at(values, origins, np.arange(1, MAX_HORIZON_MONTHS + 1) - 12)
    persistence = np.broadcast_to(last, year_ago.shape).copy()
    seasonal = np.where(np.isfinite(year_ago), year_ago, persistence)
    grown = np.where(np.isfinite(year_ago), year_ago * _growth(values, origins)[:, None], persistence)
    return {
        "persistence": persistence,
        "seasonal_naive": np.where(np.isfinite(last), seasonal, np.nan),
        "seasonal_naive_growth": np.where(np.isfinite(last), grown, np.nan),
    }


def _growth(values: FloatArray, origins: Origins) -> FloatArray:
    """(N,) sum of the last three months over the same months a year before, 0.5..2; 1 where unknown."""
    latest = -np.arange(_GROWTH_MONTHS)
    now, then = months_at(values, origins, latest), months_at(values, origins, latest - 12)
    known = np.isfinite(now) & np.isfinite(then)
    total_now, total_then = np.where(known, now, 0).sum(1), np.where(known, then, 0).sum(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        growth = np.where(total_then > 0, total_now / total_then, 1.0)
    return np.clip(growth, 1 / _LARGEST_GROWTH, _LARGEST_GROWTH)


def smoothing_at(states: CoreStates, origins: Origins) -> dict[str, FloatArray]:
    """Smoothed flow to its (N, 12) forecast from N origins on the flow's scale; left out without data."""
    names = [name for name in SMOOTHED_FLOWS if name in states.parameters.flows]
    # Without stored market losses, `own_smoothing` averages them over all rows it gets: one flow at a time.
    together = [names] if states.market is not None and names else [[name] for name in names]
    found: dict[str, FloatArray] = {}
    asked, places = np.unique(origins.columns, return_inverse=True)
    for some in together:
        smoothed = _smoothing(states, some, asked)
        found |= {name: by_month[origins.rows, places] for name, by_month in zip(some, smoothed, strict=True)}
    return found


def _smoothing(states: CoreStates, names: list[str], columns: IntArray) -> FloatArray:
    """(F, S, C, 12) forecasts of F flows of S studios, from the months in C columns."""
    panel, fitted = states.panel, states.parameters.flows
    losses = None
    if states.market is not None:
        of_flows = np.stack([states.market.smoothing[name] for name in names], 2)
        losses = np.repeat(of_flows, panel.n_studios, axis=2)
    found = own_smoothing(
        np.concatenate([one_flow(panel, name).values for name in names]),
        np.concatenate([fitted[name].season[states.types] for name in names]),
        panel.calendar_months,
        columns,
        losses,
    )
    return found.reshape(len(names), panel.n_studios, len(columns), MAX_HORIZON_MONTHS)


CORE_CANDIDATES: tuple[str, ...] = ("core", "direct", "smoothing", *BASELINES)
"""`direct` is the Kalman filter's forecast of the target itself, without stocks and flows; `smoothing` is
exponential smoothing of the target with weights of its settings by studio.
"""


def candidates_from(
    states: CoreStates, origins: Origins, flows: Mapping[str, FloatArray], paths: CorePaths
) -> dict[str, dict[str, FloatArray]]:
    """Target to candidate to (N, 12) forecasts with every lever free, NaN where a candidate has no data.
    `flows` and `paths` are the core's projections of the flows and its simulation of them.
    """
    found: dict[str, dict[str, FloatArray]] = {}
    smoothed = smoothing_at(states, origins)
    unknown = np.full((len(origins), MAX_HORIZON_MONTHS), np.nan)
    for target in TARGETS:
        found[target] = {"core": core_targets(paths)[target]}
        if target in SMOOTHED_FLOWS:
            found[target]["direct"] = np.exp(flows[target])
            found[target]["smoothing"] = np.exp(smoothed.get(target, unknown))
        values = states.panel.values[TARGET_COLUMNS[target]]
        found[target] |= baseline_forecasts(values, origins)
    return found
