"""Choosing the settings of a flow's filter: a coordinate search on rolling forecasts of the panel itself.

The error that is made small is the mean squared error of forecasts some months ahead, each relative to that
of "no change", so that the choice serves every horizon and means are right where changes are rare and
one-sided (posted prices). All neighbours of a setting are filtered side by side.

What is each studio's own is chosen on errors 1 to 12 months ahead with what all studios share in a month
taken out: many studios make up for few months. How fast the market is followed is chosen on the whole errors
of the next three months alone, because a panel has seen only one market, and a year of it is one observation.
Drifts come last, on the whole errors of every horizon.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from studio_pipeline.forecasting.filter_settings import FilterSettings
from studio_pipeline.forecasting.flow_errors import FlowSample, Judged, rolling_error
from studio_pipeline.panel.arrays import FloatArray

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
    """A sensible first guess from the size of month-to-month changes.

    The market comes back slowly and has a damped two-year drift. Neither is tuned: a panel has only one
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
        common_persistence=0.98,
        jump_threshold=NEVER,
        clip_threshold=3.0,
        drift_damping=0.8,
        own_drift_share=0.0,
        common_drift_damping=0.8,
    )


def tune(sample: FlowSample, start: FilterSettings, max_rounds: int) -> FilterSettings:
    """Chooses the studios' own settings, then the market's gain, then the drifts; `start` for no rounds.

    Args:
        sample: what the settings are chosen on.
        start: where the search begins.
        max_rounds: of the search for the studios' own settings; it ends sooner where no neighbour is better
            by 0.1 %.
    """
    if not max_rounds:
        return start
    own = _search(sample, start, max_rounds)
    followed = _best(
        sample, [replace(own, common_gain=gain) for gain in _COMMON_GAINS], Judged(_NEXT_MONTHS, False)
    )
    drifts = [
        replace(followed, drift_damping=damping, own_drift_share=share)
        for damping in _DRIFT_DAMPINGS
        for share in _OWN_DRIFT_SHARES
    ]
    return _best(sample, drifts, Judged(_HORIZONS, False))


def _search(sample: FlowSample, start: FilterSettings, max_rounds: int) -> FilterSettings:
    """Moves from `start` to better neighbours until none is better or the rounds are used up."""
    judged = Judged(_HORIZONS, True)
    best, best_error = start, float(rolling_error(sample, [start], judged)[0])
    for _ in range(max_rounds):
        neighbours = _neighbours(best)
        errors = rolling_error(sample, neighbours, judged)
        winner = int(np.argmin(errors))
        if not errors[winner] < best_error * 0.999:
            break
        candidates = [neighbours[winner], _combined(best, neighbours, errors, best_error)]
        errors = rolling_error(sample, candidates, judged)
        best, best_error = candidates[int(np.argmin(errors))], float(errors.min())
    return best


def _best(sample: FlowSample, options: list[FilterSettings], judged: Judged) -> FilterSettings:
    """The first of the options with the smallest error."""
    return options[int(np.argmin(rolling_error(sample, options, judged)))]


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
