"""Choosing the settings of a flow's filter: a coordinate search on rolling forecasts of the panel itself.

The error that is made small is the mean squared error of forecasts 1, 3, 6 and 12 months ahead, each relative
to that of "no change", so that the choice serves every horizon and means are right where changes are rare and
one-sided (posted prices). Single errors are cut at ten times the typical one. All neighbours of a setting are
filtered side by side.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from studio_pipeline.forecasting.level_filter import FilterSettings, LevelStates, run_filters
from studio_pipeline.panel.arrays import FloatArray, IntArray

NEVER = 1e9

_HORIZONS = (1, 3, 6, 12)
_WARM_UP_MONTHS = 6
_CUT_ERRORS = 10.0
_VARIANCE_STEPS = (0.2, 5.0)
_CHOICES: dict[str, tuple[float, ...]] = {
    "deviation_persistence": (0.5, 0.75, 0.9, 0.96),
    "own_season_months": (1.0, 3.0, 8.0, NEVER),
    "common_gain": (0.0, 0.4, 0.8),
    "jump_threshold": (2.5, 3.5, NEVER),
    "clip_threshold": (2.0, 3.0, NEVER),
    "drift_damping": (0.0, 0.8, 0.9, 0.97),
    "own_drift_share": (0.0, 0.3, 0.7),
}


@dataclass(frozen=True)
class FlowSample:
    """The part of a flow that its settings are chosen on; the arguments of `run_filters`, without the
    settings.

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


def starting_settings(sample: FlowSample) -> FilterSettings:
    """A sensible first guess from the size of month-to-month changes.

    The market is a random walk with a damped two-year drift and is not tuned: a panel has only one
    market, a few dozen months long.
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
        common_persistence=1.0,
        jump_threshold=NEVER,
        clip_threshold=3.0,
        drift_damping=0.8,
        own_drift_share=0.0,
        common_drift_damping=0.9,
    )


def tune(sample: FlowSample, start: FilterSettings, max_rounds: int) -> FilterSettings:
    """Moves from `start` to better neighbours until none is better by 0.1 % or the rounds are used up."""
    best, best_error = start, float(rolling_error(sample, [start])[0])
    for _ in range(max_rounds):
        neighbours = _neighbours(best)
        errors = rolling_error(sample, neighbours)
        winner = int(np.argmin(errors))
        if not errors[winner] < best_error * 0.999:
            break
        candidates = [neighbours[winner], _combined(best, neighbours, errors, best_error)]
        errors = rolling_error(sample, candidates)
        best, best_error = candidates[int(np.argmin(errors))], float(errors.min())
    return best


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
    """All single moves that helped, the best of each setting, at once."""
    moved = best
    for k in np.argsort(-errors):
        if errors[k] < best_error:
            changed = {n: v for n, v in neighbours[k].as_dict().items() if v != getattr(best, n)}
            moved = replace(moved, **changed)
    return moved


def rolling_error(sample: FlowSample, settings: list[FilterSettings]) -> FloatArray:
    """(P,) mean over horizons of the forecast error relative to that of no change; infinite where nothing can
    be judged.
    """
    states = run_filters(
        sample.values,
        sample.counting_variance,
        sample.type_mean,
        sample.season,
        sample.calendar_months,
        settings,
    )
    typical = np.median([s.noise_variance for s in settings])
    weight = 1 / (sample.counting_variance + typical)
    ratios = [r for h in _HORIZONS if (r := _error_at(sample, states, settings, weight, h)) is not None]
    # A setting without effect must tie: the last bits, which depend on the order of a sum, choose nothing.
    return np.asarray(np.mean(ratios, axis=0)).round(9) if ratios else np.full(len(settings), np.inf)


def _error_at(
    sample: FlowSample, states: LevelStates, settings: list[FilterSettings], weight: FloatArray, h: int
) -> FloatArray | None:
    values, n_months = sample.values, sample.values.shape[1]
    origins = np.arange(_WARM_UP_MONTHS, n_months - h)
    if not len(origins):
        return None
    phi = np.array([[[s.deviation_persistence**h]] for s in settings])
    rho = np.array([[[s.common_persistence**h]] for s in settings])
    damped = _damped_sum([s.drift_damping for s in settings], h)
    damped_common = _damped_sum([s.common_drift_damping for s in settings], h)
    learned = origins + h - 12
    own = np.where(learned >= 0, states.own_season[:, :, np.maximum(learned, 0)], 0.0)
    forecast = (
        states.level[:, :, origins]
        + phi * states.deviation[:, :, origins]
        + rho * states.common[:, None, origins]
        + damped_common * states.common_drift[:, None, origins]
        + damped * states.drift[:, :, origins]
        + own
        + sample.season[:, sample.calendar_months[origins + h]]
    )
    actual, w = values[:, origins + h], weight[:, origins + h]
    judged = np.isfinite(actual) & np.isfinite(forecast).all(0) & np.isfinite(values[:, origins])
    if judged.sum() < 10:
        return None
    change = np.abs(actual - values[:, origins])[judged]
    cut = _CUT_ERRORS * max(float(np.median(change)), 1e-6)
    naive = (w[judged] * np.minimum(change, cut) ** 2).sum()
    errors = np.where(judged, w * np.minimum(np.abs(actual - forecast), cut) ** 2, 0.0).sum((1, 2))
    return np.asarray(errors / max(naive, 1e-12))


def _damped_sum(damping: list[float], h: int) -> FloatArray:
    """(P, 1, 1) sum of damping ** k over the first h months."""
    return np.array([[[sum(d**k for k in range(1, h + 1))]] for d in damping])
