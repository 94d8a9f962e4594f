"""The candidates that need no learner: the core, the target's own level, and the simple baselines."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from studio_pipeline.forecasting.baselines import BASELINES, baseline_forecasts
from studio_pipeline.forecasting.core import CoreStates, project_flows, simulate_flows
from studio_pipeline.forecasting.hyperparameters import MAX_HORIZON_MONTHS
from studio_pipeline.forecasting.origins import Origins
from studio_pipeline.forecasting.smoothed_flows import smoothing_at
from studio_pipeline.forecasting.stock_and_flow import CorePaths, core_targets
from studio_pipeline.forecasting.targets import TARGET_COLUMNS, TARGETS
from studio_pipeline.panel.arrays import FloatArray

CORE_CANDIDATES: tuple[str, ...] = ("core", "direct", "smoothing", *BASELINES)
"""`direct` is the level of the target itself, without stocks and flows; `smoothing` the same under settings
that each studio has to itself.
"""

DIRECT_FLOWS = {"revenue": "revenue", "members": "members"}


def core_candidates(
    states: CoreStates, origins: Origins
) -> tuple[dict[str, dict[str, FloatArray]], CorePaths]:
    """Target to candidate to (N, 12) forecasts, and the core's paths; a candidate without data is NaN."""
    flows = project_flows(states, origins.rows, origins.columns, MAX_HORIZON_MONTHS)
    paths = simulate_flows(states, flows, origins.rows, origins.columns, {})
    return candidates_from(states, origins, flows, paths), paths


def candidates_from(
    states: CoreStates, origins: Origins, flows: Mapping[str, FloatArray], paths: CorePaths
) -> dict[str, dict[str, FloatArray]]:
    """Target to candidate to (N, 12) forecasts, from the origins' projected flows and the core's paths."""
    found: dict[str, dict[str, FloatArray]] = {}
    smoothed = smoothing_at(states, origins.rows, origins.columns)
    unknown = np.full((len(origins), MAX_HORIZON_MONTHS), np.nan)
    for target in TARGETS:
        found[target] = {"core": core_targets(paths)[target]}
        if target in DIRECT_FLOWS:
            flow = DIRECT_FLOWS[target]
            found[target]["direct"] = np.exp(flows[flow])
            found[target]["smoothing"] = np.exp(smoothed.get(flow, unknown))
        values = states.panel.values[TARGET_COLUMNS[target]]
        found[target] |= baseline_forecasts(values, origins.rows, origins.columns, MAX_HORIZON_MONTHS)
    return found
