"""Tuning of a flow's Kalman filter: coordinate search on rolling forecasts of the panel.

The objective is the mean over horizons of the squared forecast error relative to that of "no change", single
errors clipped at ten times the typical one. Relative errors give every horizon the same weight; squared
errors keep the mean right where changes are rare and one-sided (posted prices). All neighbours of a setting
are filtered in one call.

Settings of single studios are chosen on errors 1 to 12 months ahead with the common error of a month removed,
so that many studios make up for few months. The market's gain is chosen on the full errors of the next three
months only, because a panel contains only one market and a year of it is one observation. Drifts are chosen
last, on the full errors of every horizon. The filter itself is in `kalman_filter`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import numpy as np

from studio_pipeline.forecasting.base.flows import FlowSeries
from studio_pipeline.forecasting.core.filter_states import FilterSettings, FilterStates
from studio_pipeline.forecasting.core.kalman_filter import run_filters
from studio_pipeline.panel.arrays import FloatArray, IntArray

_WARM_UP_MONTHS = 6
_CUT_ERRORS = 10.0
_FEWEST_JUDGED = 10
_FEWEST_SHARING = 8


@dataclass(frozen=True)
class FlowSample:
    """Part of a flow that its settings are chosen on: arguments of `run_filters` without the settings."""

    values: FloatArray  # (S, T) on the flow's scale, NaN where unknown
    counting_variance: FloatArray  # (S, T) on the flow's scale squared
    type_mean: FloatArray  # (S,) mean of each studio's type
    season: FloatArray  # (S, 12) seasonal factors of each studio's type
    calendar_months: IntArray  # (T,) 0..11


def rolling_error(
    sample: FlowSample, settings: list[FilterSettings], horizons: tuple[int, ...], own: bool
) -> FloatArray:
    """(P,) mean over horizons of the squared forecast error relative to that of no change; infinite if too
    few errors are known. `own`: without the common error of a month's studios.
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
    found = (_error_at(sample, states, settings, weight, h, own) for h in horizons)
    ratios = [ratio for ratio in found if ratio is not None]
    # Rounded, so that settings without effect tie: the last bits depend on the order of summation.
    return np.asarray(np.mean(ratios, axis=0)).round(9) if ratios else np.full(len(settings), np.inf)


def _error_at(
    sample: FlowSample,
    states: FilterStates,
    settings: list[FilterSettings],
    weight: FloatArray,
    h: int,
    own: bool,
) -> FloatArray | None:
    """(P,) weighted squared errors h months ahead relative to no change; None if too few are known."""
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
    sample: FlowSample, states: FilterStates, settings: list[FilterSettings], origins: IntArray, h: int
) -> FloatArray:
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
    """(P, S, N) errors less their weighted mean over studios, in months with enough studios."""
    total = weight.sum(0)
    mean = (errors * weight).sum(1) / np.maximum(total, 1e-12)
    shared = (weight > 0).sum(0) >= _FEWEST_SHARING
    return np.asarray(np.where(weight > 0, errors - np.where(shared, mean, 0.0)[:, None], 0.0))


def _damped_sum(damping: list[float], h: int) -> FloatArray:
    return np.array([[[sum(d**k for k in range(1, h + 1))]] for d in damping])


NEVER = 1e9

_HORIZONS = (1, 3, 6, 12)
_NEXT_MONTHS = (1, 2, 3)
_VARIANCE_STEPS = (0.2, 5.0)
_CHOICES: dict[str, tuple[float, ...]] = {
    "deviation_persistence": (0.5, 0.75, 0.9, 0.96),
    "own_season_months": (1.0, 3.0, 8.0, NEVER),
    "jump_threshold": (2.5, 3.5, NEVER),
    "clip_threshold": (2.0, 3.0, NEVER),
    "amplitude_variance": (0.0, 0.03, 0.1, 0.3),
}
_COMMON_GAINS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_DRIFT_DAMPINGS = (0.0, 0.8, 0.9, 0.97)
_OWN_DRIFT_SHARES = (0.0, 0.3, 0.7)


def starting_settings(sample: FlowSample) -> FilterSettings:
    """Initial settings from the size of month-to-month changes.

    The market's persistence and the damping of its drift are fixed, because a panel has only one market, a
    few dozen months long, to tune them on.
    """
    deseasonalised = sample.values - sample.season[:, sample.calendar_months]
    steps = np.diff(deseasonalised, axis=1)
    steps = steps[np.isfinite(steps)]
    typical = float(np.median(np.abs(steps)) / 0.6745) ** 2 if steps.size else 1e-4
    typical = max(typical, 1e-8)
    seen = np.isfinite(sample.values)
    means = np.where(
        seen.any(1),
        np.where(seen, deseasonalised, 0).sum(1) / np.maximum(seen.sum(1), 1) - sample.type_mean,
        0.0,
    )
    return FilterSettings(
        level_variance=0.05 * typical,
        deviation_variance=0.05 * typical,
        deviation_persistence=0.9,
        noise_variance=0.4 * typical,
        between_variance=max(float(means.var()), typical),
        own_season_months=8.0,
        common_gain=0.4,
        common_persistence=0.98,
        jump_threshold=NEVER,
        clip_threshold=3.0,
        drift_damping=0.8,
        own_drift_share=0.0,
        common_drift_damping=0.8,
    )


def tune(sample: FlowSample, start: FilterSettings, max_rounds: int) -> FilterSettings:
    """Choose the studios' own settings, then the market's gain, then the drifts; `start` for no rounds.

    The search for the studios' own settings ends before `max_rounds` if no neighbour is better by 0.1 %.
    """
    if not max_rounds:
        return start
    own = _search(sample, start, max_rounds)
    gains = [replace(own, common_gain=gain) for gain in _COMMON_GAINS]
    followed = _best(sample, gains, _NEXT_MONTHS)
    drifts = [
        replace(followed, drift_damping=damping, own_drift_share=share)
        for damping in _DRIFT_DAMPINGS
        for share in _OWN_DRIFT_SHARES
    ]
    return _best(sample, drifts, _HORIZONS)


def _search(sample: FlowSample, start: FilterSettings, max_rounds: int) -> FilterSettings:
    """Move from `start` to better neighbours until none is better or the rounds are used up."""
    best, best_error = start, float(rolling_error(sample, [start], _HORIZONS, True)[0])
    for _ in range(max_rounds):
        neighbours = _neighbours(best)
        errors = rolling_error(sample, neighbours, _HORIZONS, True)
        winner = int(np.argmin(errors))
        if not errors[winner] < best_error * 0.999:
            break
        candidates = [neighbours[winner], _combined(best, neighbours, errors, best_error)]
        errors = rolling_error(sample, candidates, _HORIZONS, True)
        best, best_error = candidates[int(np.argmin(errors))], float(errors.min())
    return best


def _best(sample: FlowSample, options: list[FilterSettings], horizons: tuple[int, ...]) -> FilterSettings:
    return options[int(np.argmin(rolling_error(sample, options, horizons, False)))]


def _neighbours(settings: FilterSettings) -> list[FilterSettings]:
    found = []
    for name in ("level_variance", "deviation_variance", "noise_variance"):
        found += [replace(settings, **{name: getattr(settings, name) * step}) for step in _VARIANCE_STEPS]
    for name, choices in _CHOICES.items():
        found += [replace(settings, **{name: c}) for c in choices if c != getattr(settings, name)]
    return found


def _combined(
    best: FilterSettings, neighbours: list[FilterSettings], errors: FloatArray, best_error: float
) -> FilterSettings:
    """Combine all single moves that reduced the error, the best one of each setting."""
    moved = best
    for k in np.argsort(-errors):
        if errors[k] < best_error:
            changed = {n: v for n, v in asdict(neighbours[k]).items() if v != getattr(best, n)}
            moved = replace(moved, **changed)
    return moved
