"""What takes a flow's forecast from its own scale to a mean on the natural one: Jensen's gap, as it was."""

from __future__ import annotations

import numpy as np

from studio_pipeline.forecasting.adjusted_flows import filtered
from studio_pipeline.forecasting.core_parameters import FlowParameters
from studio_pipeline.forecasting.flows import FlowSeries, previous_month, sigmoid
from studio_pipeline.panel.arrays import FloatArray, IntArray, StudioPanel

_SHIFT_MONTHS = 36
_FEWEST_FOR_SHIFT = 50


def mean_shift(
    name: str,
    flow: FlowSeries,
    adjusted: FlowSeries,
    fitted: FlowParameters,
    types: IntArray,
    panel: StudioPanel,
) -> float:
    """The shift under which one-month-ahead forecasts of the last three years are right on average, not in
    the median.

    It is taken on the flow itself: with its responses taken out it would stand at a level that depends on the
    currency.
    """
    states = filtered(adjusted, fitted, types, panel.calendar_months)
    observed, weights = _observed(name, panel)
    recent = np.zeros(flow.values.shape, dtype=bool)
    recent[:, -_SHIFT_MONTHS:] = True
    used = recent & np.isfinite(states.surprise[0]) & np.isfinite(states.level[0])
    used &= np.isfinite(observed) & (weights > 0)
    if used.sum() < _FEWEST_FOR_SHIFT or np.ptp(observed[used]) == 0:
        return 0.0
    # Common surprises are the market's, not Jensen's: only their spread around the mean counts.
    expected = (flow.values - states.surprise[0])[used] + states.surprise[0][used].mean()
    actual = np.average(observed[used], weights=weights[used])
    if name == "retention":
        forecast = np.average(sigmoid(expected), weights=weights[used])
        return float(np.log(actual / (1 - actual)) - np.log(forecast / (1 - forecast)))
    forecast = np.average(np.exp(expected), weights=weights[used])
    return float(np.log(actual + 0.5) - np.log(forecast))


def _observed(name: str, panel: StudioPanel) -> tuple[FloatArray, FloatArray]:
    """(S, T) a responding flow on its natural scale, and the weight of each month in what it adds up to."""
    if name == "retention":
        before = np.nan_to_num(previous_month(panel.values["total_members"]))
        return panel.values["retention_rate"], before
    new_members = panel.values["new_members"]
    return new_members, np.ones_like(new_members)
