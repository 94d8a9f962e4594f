"""Fitting of the core: responses, filter of each flow and bias correction.

The bias correction (Jensen's gap)
makes forecasts of retention and new members right on average instead of in the median. The regressions are in
`responses`, the tuning of a filter in `filter_tuning`, the classes of the parameters in `parameters`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from studio_pipeline.forecasting.base.flows import (
    FLOW_LINKS,
    FlowSeries,
    flow_series,
    previous_month,
    sigmoid,
)
from studio_pipeline.forecasting.base.hyperparameters import CoreHyperparameters
from studio_pipeline.forecasting.base.origins import evenly_spaced_studios
from studio_pipeline.forecasting.core.filter_states import FilterSettings
from studio_pipeline.forecasting.core.filter_tuning import FlowSample, starting_settings, tune
from studio_pipeline.forecasting.core.kalman_filter import run_filters
from studio_pipeline.forecasting.core.parameters import (
    CoreParameters,
    FlowParameters,
    estimate_class_planning,
)
from studio_pipeline.forecasting.core.seasonality import type_seasons
from studio_pipeline.forecasting.core.states import without_responses
from studio_pipeline.forecasting.responses.estimation import estimate_responses
from studio_pipeline.forecasting.responses.regressors import RESPONDING
from studio_pipeline.forecasting.responses.responses import Responses
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
    """Shift on the flow's scale that makes one-month-ahead forecasts of the last three years unbiased.

    It is computed on the flow itself, because the level of the adjusted flow depends on the currency.
    """
    means, seasons = fitted.type_mean[types], fitted.season[types]
    states = run_filters(adjusted, means, seasons, panel.calendar_months, [fitted.settings])
    observed, weights = _observed(name, panel)
    recent = np.zeros(flow.values.shape, dtype=bool)
    recent[:, -_SHIFT_MONTHS:] = True
    used = recent & np.isfinite(states.surprise[0]) & np.isfinite(states.level[0])
    used &= np.isfinite(observed) & (weights > 0)
    if used.sum() < _FEWEST_FOR_SHIFT or np.ptp(observed[used]) == 0:
        return 0.0
    # The mean innovation is the market's; only the spread around it causes Jensen's gap.
    expected = (flow.values - states.surprise[0])[used] + states.surprise[0][used].mean()
    actual = np.average(observed[used], weights=weights[used])
    if name == "retention":
        forecast = np.average(sigmoid(expected), weights=weights[used])
        return float(np.log(actual / (1 - actual)) - np.log(forecast / (1 - forecast)))
    forecast = np.average(np.exp(expected), weights=weights[used])
    return float(np.log(actual + 0.5) - np.log(forecast))


def _observed(name: str, panel: StudioPanel) -> tuple[FloatArray, FloatArray]:
    """(S, T) values of a responding flow on its natural scale, and their (S, T) weights in the average."""
    if name == "retention":
        before = np.nan_to_num(previous_month(panel.values["total_members"]))
        return panel.values["retention_rate"], before
    new_members = panel.values["new_members"]
    return new_members, np.ones_like(new_members)


_TUNING_MONTHS = 120
_LATER_ROUNDS = 3


def fit_core_parameters(
    panel: StudioPanel, hyperparameters: CoreHyperparameters, previous: CoreParameters | None = None
) -> CoreParameters:
    """Fit the core on all months of a panel. `previous`: parameters fitted on fewer months of it; the search
    starts from them and ends sooner.
    """
    fitting = _Fitting(panel, hyperparameters, previous)
    responses = estimate_responses(
        panel,
        fitting.series,
        fitting.types,
        hyperparameters.responses,
        hyperparameters.tuning_studios,
    )
    flows = fitting.flows([name for name in FLOW_LINKS if name not in RESPONDING], responses)
    flows |= fitting.flows(RESPONDING, responses)
    return CoreParameters(fitting.names, flows, responses, fitting.planning)


class _Fitting:
    def __init__(
        self, panel: StudioPanel, hyperparameters: CoreHyperparameters, previous: CoreParameters | None
    ) -> None:
        self.panel, self.hyperparameters, self.previous = panel, hyperparameters, previous
        self.names = tuple(sorted({str(t) for t in panel.studio_types if t}))
        self.types = CoreParameters(self.names, {}, Responses({})).types_of(panel.studio_types)
        self.series = flow_series(panel)
        self.planning = estimate_class_planning(panel)

    def flows(self, names: Iterable[str], responses: Responses) -> dict[str, FlowParameters]:
        """Fit each flow that has data: adjust, tune the filter, correct the bias."""
        fitted = {}
        for name in names:
            adjusted = self._adjusted(name, responses)
            if np.isfinite(adjusted.values).sum() >= 2:
                before = self.previous.flows.get(name) if self.previous else None
                rounds = _LATER_ROUNDS if before else self.hyperparameters.tuning_rounds
                settings = before.settings if before else None
                fitted[name] = self._shifted(name, adjusted, self._fit(adjusted, settings, rounds))
        return fitted

    def _adjusted(self, name: str, responses: Responses) -> FlowSeries:
        rows = responses.rows(self.panel.studio_ids.tolist())
        return without_responses(name, self.series[name], self.panel, rows, self.planning)

    def _fit(self, flow: FlowSeries, start: FilterSettings | None, rounds: int) -> FlowParameters:
        """Fit seasons, type means and a filter tuned from `start`, `starting_settings` if None."""
        types, n_types, shrinkage = self.types, len(self.names), self.hyperparameters.season_shrinkage_years
        calendar_months = self.panel.calendar_months
        seen = np.isfinite(flow.values)
        typical = np.nanmedian(np.diff(flow.values, axis=1) ** 2) if seen[:, 1:].any() else 1.0
        weights = np.where(
            seen, 1 / (flow.counting_variance + 0.5 * max(float(np.nan_to_num(typical)), 1e-6)), 0.0
        )
        season = type_seasons(flow.values, weights, types, n_types + 1, calendar_months, shrinkage)
        (season[-1],) = type_seasons(
            flow.values, weights, np.zeros_like(types), 1, calendar_months, shrinkage
        )
        type_mean = _type_means(flow.values, weights, types, n_types)
        most = self.hyperparameters.tuning_studios
        chosen = evenly_spaced_studios(self.panel, most, np.asarray(seen.any(1)))
        sample = FlowSample(
            flow.values[chosen, -_TUNING_MONTHS:],
            flow.counting_variance[chosen, -_TUNING_MONTHS:],
            type_mean[types[chosen]],
            season[types[chosen]],
            calendar_months[-_TUNING_MONTHS:],
        )
        tuned = tune(sample, start or starting_settings(sample), rounds)
        return FlowParameters(tuned, type_mean, season)

    def _shifted(self, name: str, adjusted: FlowSeries, fitted: FlowParameters) -> FlowParameters:
        if name not in RESPONDING:
            return fitted
        shift = mean_shift(name, self.series[name], adjusted, fitted, self.types, self.panel)
        return replace(fitted, mean_shift=shift)


def _type_means(values: FloatArray, weights: FloatArray, types: IntArray, n_types: int) -> FloatArray:
    """(K+1,) medians of the studios' means by type, shrunk with the weight of one studio towards the panel's
    median, which is the last entry.

    Medians are robust against single studios with absurd values.
    """
    total = weights.sum(1)
    seen = total > 0
    own = (weights * np.nan_to_num(values)).sum(1)[seen] / total[seen]
    panel_median = float(np.median(own)) if own.size else 0.0
    means = np.full(n_types + 1, panel_median)
    for k in range(n_types):
        same = own[types[seen] == k]
        if same.size:
            means[k] = (same.size * np.median(same) + panel_median) / (same.size + 1)
    return means
