"""Flows smoothed by each studio to itself, from the months that are asked for."""

from __future__ import annotations

import numpy as np

from studio_pipeline.forecasting.core import CoreStates
from studio_pipeline.forecasting.core_market import SMOOTHED_FLOWS
from studio_pipeline.forecasting.flows import one_flow
from studio_pipeline.forecasting.hyperparameters import MAX_HORIZON_MONTHS
from studio_pipeline.forecasting.own_smoothing import own_smoothing
from studio_pipeline.panel.arrays import FloatArray, IntArray


def smoothing_at(states: CoreStates, rows: IntArray, columns: IntArray) -> dict[str, FloatArray]:
    """Smoothed flow to its (N, 12) forecast from N origins, on the flow's scale; a flow without data is left
    out.
    """
    names = [name for name in SMOOTHED_FLOWS if name in states.parameters.flows]
    # Where the panel judges its settings by itself, it judges those of one flow.
    together = [names] if states.market is not None and names else [[name] for name in names]
    found: dict[str, FloatArray] = {}
    asked, places = np.unique(columns, return_inverse=True)
    for some in together:
        smoothed = _smoothing(states, some, asked)
        found |= {name: by_month[rows, places] for name, by_month in zip(some, smoothed, strict=True)}
    return found


def _smoothing(states: CoreStates, names: list[str], columns: IntArray) -> FloatArray:
    """(F, S, C, 12) of F flows side by side, from the months in C columns."""
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
