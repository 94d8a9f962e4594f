"""How well settings of a flow's filter forecast the panel itself, from every origin and side by side.

Single errors are cut at ten times the typical one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from studio_pipeline.forecasting.filter_settings import FilterSettings
from studio_pipeline.forecasting.flows import FlowSeries
from studio_pipeline.forecasting.level_filter import run_filters
from studio_pipeline.forecasting.level_states import LevelStates
from studio_pipeline.panel.arrays import FloatArray, IntArray

_WARM_UP_MONTHS = 6
_CUT_ERRORS = 10.0
_FEWEST_JUDGED = 10
_FEWEST_SHARING = 8


@dataclass(frozen=True)
class FlowSample:
    """The part of a flow that its settings are chosen on; what `run_filters` takes, without the settings.

    Attributes:
        values: (S, T) on the flow's scale.
        counting_variance: (S, T).
        type_mean: (S,).
        season: (S, 12).
        calendar_months: (T,).
    """

    values: FloatArray
    counting_variance: FloatArray
    type_mean: FloatArray
    season: FloatArray
    calendar_months: IntArray


@dataclass(frozen=True)
class Judged:
    """Which errors count.

    Attributes:
        horizons: months ahead.
        own: whether what studios share in a month is taken out of their errors.
    """

    horizons: tuple[int, ...]
    own: bool


def rolling_error(sample: FlowSample, settings: list[FilterSettings], judged: Judged) -> FloatArray:
    """(P,) mean over horizons of the forecast error relative to that of no change; infinite where nothing can
    be judged.
    """
    states = run_filters(
        FlowSeries(sample.values, sample.counting_variance),
        sample.type_mean,
        sample.season,
        sample.calendar_months,
        settings,
    )
    typical = np.median([s.noise_variance for s in settings])
    weight = 1 / (sample.counting_variance + typical)
    found = (_error_at(sample, states, settings, weight, h, judged.own) for h in judged.horizons)
    ratios = [ratio for ratio in found if ratio is not None]
    # A setting without effect must tie: the last bits, which depend on the order of a sum, choose nothing.
    return np.asarray(np.mean(ratios, axis=0)).round(9) if ratios else np.full(len(settings), np.inf)


def _error_at(
    sample: FlowSample,
    states: LevelStates,
    settings: list[FilterSettings],
    weight: FloatArray,
    h: int,
    own: bool,
) -> FloatArray | None:
    """(P,) weighted squared errors h months ahead, relative to those of no change; None where too few are
    known.
    """
    origins = np.arange(_WARM_UP_MONTHS, sample.values.shape[1] - h)
    if not len(origins):
        return None
    forecast = _forecast(sample, states, settings, origins, h)
    actual, now = sample.values[:, origins + h], sample.values[:, origins]
    judged = np.isfinite(actual) & np.isfinite(forecast).all(0) & np.isfinite(now)
    if judged.sum() < _FEWEST_JUDGED:
        return None
    w = np.where(judged, weight[:, origins + h], 0.0)
    missed = np.where(judged, actual - forecast, 0.0)
    change = np.where(judged, actual - now, 0.0)[None]
    if own:
        missed, change = _without_shared(missed, w), _without_shared(change, w)
    cut = _CUT_ERRORS * max(float(np.median(np.abs(change[:, judged]))), 1e-6)
    squared = [(w * np.minimum(np.abs(x), cut) ** 2).sum((1, 2)) for x in (missed, change)]
    return np.asarray(squared[0] / np.maximum(squared[1], 1e-12))


def _forecast(
    sample: FlowSample, states: LevelStates, settings: list[FilterSettings], origins: IntArray, h: int
) -> FloatArray:
    """(P, S, N) forecasts h months ahead from N origin months."""
    phi = np.array([[[s.deviation_persistence**h]] for s in settings])
    rho = np.array([[[s.common_persistence**h]] for s in settings])
    learned = origins + h - 12
    own = np.where(learned >= 0, states.own_season[:, :, np.maximum(learned, 0)], 0.0)
    return np.asarray(
        states.level[:, :, origins]
        + phi * states.deviation[:, :, origins]
        + rho * states.common[:, None, origins]
        + _damped_sum([s.common_drift_damping for s in settings], h) * states.common_drift[:, None, origins]
        + _damped_sum([s.drift_damping for s in settings], h) * states.drift[:, :, origins]
        + own
        + states.amplitude[:, :, origins] * sample.season[:, sample.calendar_months[origins + h]]
    )


def _without_shared(errors: FloatArray, weight: FloatArray) -> FloatArray:
    """(P, S, N) errors less their weighted mean over studios, in months that enough studios share."""
    total = weight.sum(0)
    mean = (errors * weight).sum(1) / np.maximum(total, 1e-12)
    shared = (weight > 0).sum(0) >= _FEWEST_SHARING
    return np.asarray(np.where(weight > 0, errors - np.where(shared, mean, 0.0)[:, None], 0.0))


def _damped_sum(damping: list[float], h: int) -> FloatArray:
    """(P, 1, 1) sum of damping ** k over the first h months."""
    return np.array([[[sum(d**k for k in range(1, h + 1))]] for d in damping])
