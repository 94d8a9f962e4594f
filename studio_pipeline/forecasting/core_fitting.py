"""Fitting the core: responses first, then each flow, then how far the feedback through full classes is
believed.

Full classes and loyal members have common causes that no column shows, so a regression takes too much of what
they share for a response. That share would feed back month after month; how much of it is kept is chosen by
rolling forecasts of members, where a feedback that isn't there does harm.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from studio_pipeline.forecasting.core import core_states, project_core, without_responses
from studio_pipeline.forecasting.core_parameters import CoreParameters, FlowParameters
from studio_pipeline.forecasting.flow_errors import FlowSample
from studio_pipeline.forecasting.flow_tuning import starting_settings, tune
from studio_pipeline.forecasting.flows import (
    FLOW_LINKS,
    FlowSeries,
    flow_series,
    previous_month,
    sigmoid,
)
from studio_pipeline.forecasting.hyperparameters import MAX_HORIZON_MONTHS, CoreHyperparameters
from studio_pipeline.forecasting.level_filter import FilterSettings, run_filters
from studio_pipeline.forecasting.responses import RESPONDING, Responses, estimate_responses
from studio_pipeline.forecasting.sampling import evenly_spaced_studios
from studio_pipeline.forecasting.seasons import type_seasons
from studio_pipeline.panel.arrays import FloatArray, IntArray, StudioPanel

_TUNING_MONTHS = 120
_SHIFT_MONTHS = 36
_FEWEST_FOR_SHIFT = 50
_LATER_ROUNDS = 1
_FULLNESS_SHARES = (1.0, 0.75, 0.5, 0.25, 0.0)
_JUDGED_HORIZONS = (3, 6, 12)
_WARM_UP_MONTHS = 12


def fit_core_parameters(
    panel: StudioPanel, hyperparameters: CoreHyperparameters, previous: CoreParameters | None = None
) -> CoreParameters:
    """Fits the core on all months of a panel.

    Args:
        panel: the months that may be used.
        hyperparameters: shrinkage and search effort.
        previous: parameters fitted on fewer months of the same panel; the search starts from them and ends
            sooner.
    """
    fitting = _Fitting(panel, hyperparameters, previous)
    responses = estimate_responses(panel, fitting.series, fitting.types, hyperparameters.response_prior_scale)
    flows = fitting.flows([name for name in FLOW_LINKS if name not in RESPONDING], responses)
    best = CoreParameters(fitting.names, flows | fitting.flows(RESPONDING, responses), responses)
    if "fullness" not in responses.effects.get("retention", {}):
        return best
    options = [best] + [fitting.tempered(best, share) for share in _FULLNESS_SHARES[1:]]
    errors = [_members_error(panel, option, hyperparameters) for option in options]
    return options[int(np.argmin(errors))]


class _Fitting:
    """What fitting the flows of one panel shares."""

    def __init__(
        self, panel: StudioPanel, hyperparameters: CoreHyperparameters, previous: CoreParameters | None
    ) -> None:
        self.panel, self.hyperparameters, self.previous = panel, hyperparameters, previous
        self.names = tuple(sorted({str(t) for t in panel.studio_types if t}))
        self.types = CoreParameters(self.names, {}, Responses({})).types_of(panel.studio_types)
        self.series = flow_series(panel)

    def flows(self, names: Iterable[str], responses: Responses) -> dict[str, FlowParameters]:
        """Each flow that has data, its filter tuned."""
        fitted = {}
        for name in names:
            adjusted = without_responses(name, self.series[name], self.panel, responses)
            if np.isfinite(adjusted.values).sum() >= 2:
                before = self.previous.flows.get(name) if self.previous else None
                rounds = _LATER_ROUNDS if before else self.hyperparameters.tuning_rounds
                settings = before.settings if before else None
                fitted[name] = self._shifted(name, adjusted, self._fit(adjusted, settings, rounds))
        return fitted

    def tempered(self, full: CoreParameters, share: float) -> CoreParameters:
        """The same with a share of the response to full classes; filters keep their settings."""
        responses = full.responses.with_share("fullness", share)
        changed = {}
        for name in RESPONDING:
            adjusted = without_responses(name, self.series[name], self.panel, responses)
            changed[name] = self._shifted(name, adjusted, self._fit(adjusted, full.flows[name].settings, 0))
        return CoreParameters(full.studio_types, dict(full.flows) | changed, responses)

    def _fit(self, flow: FlowSeries, start: FilterSettings | None, rounds: int) -> FlowParameters:
        """Seasons, means and a filter that is tuned from `start` (None: a guess) for so many rounds."""
        types, n_types, shrinkage = self.types, len(self.names), self.hyperparameters.season_shrinkage_years
        calendar_months = self.panel.calendar_months
        seen = np.isfinite(flow.values)
        typical = np.nanmedian(np.diff(flow.values, axis=1) ** 2) if seen[:, 1:].any() else 1.0
        weights = np.where(
            seen, 1 / (flow.counting_variance + 0.5 * max(float(np.nan_to_num(typical)), 1e-6)), 0.0
        )
        season = type_seasons(flow.values, weights, types, n_types + 1, calendar_months, shrinkage)
        season[-1] = type_seasons(flow.values, weights, np.zeros_like(types), 1, calendar_months, shrinkage)[
            0
        ]
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
        shift = _mean_shift(name, self.series[name], adjusted, fitted, self.types, self.panel)
        return replace(fitted, mean_shift=shift)


def _members_error(
    panel: StudioPanel, parameters: CoreParameters, hyperparameters: CoreHyperparameters
) -> float:
    """Mean over horizons of the rolling forecasts' error in members, relative to that of no change."""
    chosen = panel.select(
        evenly_spaced_studios(panel, hyperparameters.tuning_studios, np.asarray(panel.known.any(1)))
    )
    members = chosen.values["total_members"]
    first = max(_WARM_UP_MONTHS, chosen.n_months - _TUNING_MONTHS)
    rows, columns = np.nonzero(np.isfinite(members[:, first:-1]))
    if not len(rows):
        return 0.0
    columns = columns + first
    paths = project_core(core_states(chosen, parameters), rows, columns, MAX_HORIZON_MONTHS)
    ratios = []
    for h in _JUDGED_HORIZONS:
        inside = columns + h < chosen.n_months
        actual = members[rows[inside], columns[inside] + h]
        known = np.isfinite(actual)
        missed = np.abs(paths.members[inside, h - 1] - actual)[known]
        change = np.abs(members[rows[inside], columns[inside]] - actual)[known]
        if change.sum() > 0:
            ratios.append(float(missed.sum() / change.sum()))
    return float(np.mean(ratios)) if ratios else 0.0


def _mean_shift(
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
    states = run_filters(
        adjusted.values,
        adjusted.counting_variance,
        fitted.type_mean[types],
        fitted.season[types],
        panel.calendar_months,
        [fitted.settings],
    )
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


def _type_means(values: FloatArray, weights: FloatArray, types: IntArray, n_types: int) -> FloatArray:
    """(K+1,) medians of the studios' means by type, shrunk by one studio to the panel's, the last entry.

    Medians, because one absurd studio must not move where the others start.
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
