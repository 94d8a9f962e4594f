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

from studio_pipeline.forecasting.adjusted_flows import without_responses
from studio_pipeline.forecasting.class_planning import estimate_class_planning
from studio_pipeline.forecasting.core_parameters import CoreParameters, FlowParameters
from studio_pipeline.forecasting.feedback_share import best_share
from studio_pipeline.forecasting.filter_settings import FilterSettings
from studio_pipeline.forecasting.flow_errors import FlowSample
from studio_pipeline.forecasting.flow_tuning import starting_settings, tune
from studio_pipeline.forecasting.flows import (
    FLOW_LINKS,
    FlowSeries,
    flow_series,
)
from studio_pipeline.forecasting.hyperparameters import CoreHyperparameters
from studio_pipeline.forecasting.mean_shift import mean_shift
from studio_pipeline.forecasting.response_estimation import estimate_responses
from studio_pipeline.forecasting.response_priors import ResponsePriors
from studio_pipeline.forecasting.response_regressors import RESPONDING
from studio_pipeline.forecasting.responses import Responses
from studio_pipeline.forecasting.sampling import evenly_spaced_studios
from studio_pipeline.forecasting.seasons import type_seasons
from studio_pipeline.panel.arrays import FloatArray, IntArray, StudioPanel

_TUNING_MONTHS = 120
_LATER_ROUNDS = 3


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
    responses = estimate_responses(
        panel,
        fitting.series,
        fitting.types,
        ResponsePriors.of(hyperparameters),
        hyperparameters.tuning_studios,
    )
    flows = fitting.flows([name for name in FLOW_LINKS if name not in RESPONDING], responses)
    flows |= fitting.flows(RESPONDING, responses)
    whole = CoreParameters(fitting.names, flows, responses, fitting.planning)
    if not responses.slope("retention", "fullness"):
        return whole
    judged = panel.select(
        evenly_spaced_studios(panel, hyperparameters.tuning_studios, np.asarray(panel.known.any(1)))
    )
    return fitting.tempered(whole, best_share(judged, lambda share: fitting.tempered(whole, share)))


class _Fitting:
    """What fitting the flows of one panel shares."""

    def __init__(
        self, panel: StudioPanel, hyperparameters: CoreHyperparameters, previous: CoreParameters | None
    ) -> None:
        self.panel, self.hyperparameters, self.previous = panel, hyperparameters, previous
        self.names = tuple(sorted({str(t) for t in panel.studio_types if t}))
        self.types = CoreParameters(self.names, {}, Responses({})).types_of(panel.studio_types)
        self.series = flow_series(panel)
        self.planning = estimate_class_planning(panel)

    def flows(self, names: Iterable[str], responses: Responses) -> dict[str, FlowParameters]:
        """Each flow that has data, its filter tuned."""
        fitted = {}
        for name in names:
            adjusted = self._adjusted(name, responses)
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
            adjusted = self._adjusted(name, responses)
            changed[name] = self._shifted(name, adjusted, self._fit(adjusted, full.flows[name].settings, 0))
        return replace(full, flows=dict(full.flows) | changed, responses=responses)

    def _adjusted(self, name: str, responses: Responses) -> FlowSeries:
        rows = responses.rows(self.panel.studio_ids.tolist())
        return without_responses(name, self.series[name], self.panel, rows, self.planning)

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
        shift = mean_shift(name, self.series[name], adjusted, fitted, self.types, self.panel)
        return replace(fitted, mean_shift=shift)


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
