"""Filtered state of a flow per month, its h-step-ahead forecasts, and the settings of the Kalman filter.

The recursions are in `kalman_filter`, the choice of settings in `filter_tuning`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from studio_pipeline.panel.arrays import FloatArray, IntArray


@dataclass(frozen=True)
class FilterSettings:
    """Settings of one flow's filter; variances are on the flow's scale squared."""

    level_variance: float  # monthly variance of the slow level's steps
    deviation_variance: float  # monthly variance of the fast deviation's steps
    deviation_persistence: float  # monthly autocorrelation of the fast deviation, 0..1
    noise_variance: float  # variance of a single month beyond counting noise
    between_variance: float  # variance of studios around their type's mean
    own_season_months: float  # observations of a calendar month at which the studio's own season counts half
    common_gain: float  # share of the studios' mean innovation that is taken as a move of the market, 0..1
    common_persistence: float  # monthly autocorrelation of the market's deviation, 0..1
    jump_threshold: float  # innovations beyond so many deviations are followed at once (a posted price)
    clip_threshold: float  # innovations beyond so many standard deviations are clipped (a flood)
    drift_damping: float  # monthly damping of the drift in a forecast, 0..1; 0 for no drift
    own_drift_share: float  # weight of a studio's own drift against the panel's, 0..1
    common_drift_damping: float = 0.0  # monthly damping of the market's drift in a forecast, 0..1; 0: none
    # variance between studios of the factor, around 1, on their type's season; 0 if all follow it alike
    amplitude_variance: float = 0.0


_DRIFT_SPANS = (12, 24)


@dataclass(frozen=True)
class Market:
    """Market component of a panel in each month, (P, T) each.

    With it, the states of some studios can be recomputed without the others.
    """

    moves: FloatArray  # change of the market's deviation by a month's innovations
    drift: FloatArray  # mean monthly drift of the studios' slow levels

    def until(self, n_months: int) -> Market:
        """Market of the first `n_months` months."""
        return Market(self.moves[:, :n_months], self.drift[:, :n_months])

    @classmethod
    def joined(cls, parts: Sequence[Market]) -> Market:
        """Concatenate the markets of several flows along the layer axis."""
        return cls(
            np.concatenate([part.moves for part in parts]), np.concatenate([part.drift for part in parts])
        )


@dataclass(frozen=True)
class FilterStates:
    """Filtered states of a flow at each month's end: (P, S, T) arrays, one layer per setting or flow.

    Those of the market are (P, T).
    """

    level: FloatArray  # slow level, NaN before the studio's first value
    deviation: FloatArray  # fast deviation from it
    drift: FloatArray  # monthly drift of the slow level, the studio's own and the panel's already combined
    common: FloatArray  # the market's deviation
    common_drift: FloatArray  # monthly drift of the market over up to two years; 0 in its first year
    own_season: FloatArray  # the studio's departure from its type's season in that month, updated by it
    amplitude: FloatArray  # factor of the studio on its type's season, 1 before its first update
    surprise: FloatArray  # innovation (one-month-ahead error) of each month, NaN where the value is unknown
    market: Market  # component shared by the studios

    def layer(self, place: int) -> FilterStates:
        """One of the P layers, as states with P = 1."""
        one = slice(place, place + 1)
        arrays = {f.name: getattr(self, f.name)[one] for f in fields(self) if f.name != "market"}
        return FilterStates(**arrays, market=Market(self.market.moves[one], self.market.drift[one]))


def monthly_drift(values: FloatArray) -> FloatArray:
    """Mean monthly change along the last axis over two years, or one where no more is known; else 0."""
    drift = np.zeros_like(values)
    for months in _DRIFT_SPANS:
        if values.shape[-1] > months:
            change = (values[..., months:] - values[..., :-months]) / months
            drift[..., months:] = np.where(np.isfinite(change), change, drift[..., months:])
    return drift


def project(
    states: FilterStates,
    rows: IntArray,
    columns: IntArray,
    season_path: FloatArray,
    settings: FilterSettings,
) -> FloatArray:
    """(N, H) forecasts of a flow from N origins, by states of one layer; NaN where it has no level at the
    origin. `season_path`: (N, H) the type's season in each projected month, on the flow's scale.
    """
    horizon = np.arange(1, season_path.shape[1] + 1)
    own = own_season_ahead(states, rows, columns, horizon)
    return np.asarray(
        states.level[0, rows, columns, None]
        + states.deviation[0, rows, columns, None] * settings.deviation_persistence**horizon
        + states.common[0, columns, None] * settings.common_persistence**horizon
        + states.common_drift[0, columns, None] * np.cumsum(settings.common_drift_damping**horizon)
        + states.drift[0, rows, columns, None] * np.cumsum(settings.drift_damping**horizon)
        + states.amplitude[0, rows, columns, None] * season_path
        + own
    )


def own_season_ahead(
    states: FilterStates, rows: IntArray, columns: IntArray, months_ahead: IntArray
) -> FloatArray:
    """(N, H) own season of N origins' studios in the months `months_ahead`, (H,) of 1..12, after them.

    It was last updated twelve months before each of these; 0 where that is before the panel's first month.
    """
    learned = columns[:, None] + months_ahead - 12
    return np.where(learned >= 0, states.own_season[0, rows[:, None], np.maximum(learned, 0)], 0.0)
