"""Filtered state per month and its h-step-ahead forecasts, with the settings of the filter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np

from studio_pipeline.panel.arrays import FloatArray, IntArray


@dataclass(frozen=True)
class FilterSettings:
    """What one flow's filter is tuned by; variances are on the flow's scale squared.

    Attributes:
        level_variance: monthly variance of the slow level's steps.
        deviation_variance: monthly variance of the fast deviation's steps.
        deviation_persistence: monthly survival of the fast deviation, 0..1.
        noise_variance: of a single month beyond counting noise.
        between_variance: of studios around their type's mean.
        own_season_months: observations of a calendar month at which the studio's own season counts half.
        common_gain: share of the studios' mean surprise that is taken as a move of the market, 0..1.
        common_persistence: monthly survival of the market's move in a forecast, 0..1.
        jump_threshold: surprises beyond so many standard deviations are followed at once (a posted price).
        clip_threshold: surprises beyond so many standard deviations are cut (a flood).
        drift_damping: monthly damping of the drift in a forecast; 0 for no drift.
        own_drift_share: share of a studio's own drift, the rest is the panel's, 0..1.
        common_drift_damping: monthly damping of the market's own drift in a forecast; 0 for none.
        amplitude_variance: of how strongly studios follow their type's season, around 1; 0 where alike.
    """

    level_variance: float
    deviation_variance: float
    deviation_persistence: float
    noise_variance: float
    between_variance: float
    own_season_months: float
    common_gain: float
    common_persistence: float
    jump_threshold: float
    clip_threshold: float
    drift_damping: float
    own_drift_share: float
    common_drift_damping: float = 0.0
    amplitude_variance: float = 0.0

    def as_dict(self) -> dict[str, float]:
        """Plain numbers for JSON."""
        return asdict(self)


def stack_settings(settings: Sequence[FilterSettings]) -> dict[str, FloatArray]:
    """Each setting as a (P, 1) array."""
    return {
        f.name: np.array([[getattr(s, f.name)] for s in settings], dtype=float)
        for f in fields(FilterSettings)
    }


_DRIFT_SPANS = (12, 24)


@dataclass(frozen=True)
class Market:
    """What all studios of a panel share in each month, (P, T) each: with it, what is known of some studios
    can be reckoned again without the others.

    Attributes:
        moves: by how much a month's surprises moved the market's deviation.
        drift: mean monthly drift of the studios' slow levels.
    """

    moves: FloatArray
    drift: FloatArray

    def until(self, n_months: int) -> Market:
        """The first months alone."""
        return Market(self.moves[:, :n_months], self.drift[:, :n_months])

    @classmethod
    def joined(cls, parts: Sequence[Market]) -> Market:
        """Those of several flows, one layer behind the other."""
        return cls(
            np.concatenate([part.moves for part in parts]), np.concatenate([part.drift for part in parts])
        )


@dataclass(frozen=True)
class FilterStates:
    """What is known of a flow at each month's end: (P, S, T) arrays, one layer a setting; the
    market's are (P, T).

    Attributes:
        level: slow level, NaN before the studio's first value.
        deviation: fast deviation from it.
        drift: monthly drift of the slow level, already mixed of own and panel.
        common: the market's deviation.
        common_drift: monthly drift of the market over up to two years; 0 while under a year is known.
        own_season: the studio's own departure from its type's season in that month of the year, as known
            after it.
        amplitude: how strongly the studio follows its type's season, 1 before anything is known.
        surprise: one-month-ahead error at each month, NaN where there was none.
        market: what the studios share.
    """

    level: FloatArray
    deviation: FloatArray
    drift: FloatArray
    common: FloatArray
    common_drift: FloatArray
    own_season: FloatArray
    amplitude: FloatArray
    surprise: FloatArray
    market: Market

    def layer(self, place: int) -> FilterStates:
        """One of the P layers, by itself."""
        one = slice(place, place + 1)
        arrays = {f.name: getattr(self, f.name)[one] for f in fields(self) if f.name != "market"}
        return FilterStates(**arrays, market=Market(self.market.moves[one], self.market.drift[one]))


def own_drift(level: FloatArray) -> FloatArray:
    """Monthly drift of the (P, S, T) slow level over up to two years; 0 while under a year is known."""
    own = np.zeros_like(level)
    for months in _DRIFT_SPANS:
        if level.shape[2] > months:
            change = (level[:, :, months:] - level[:, :, :-months]) / months
            own[:, :, months:] = np.where(np.isfinite(change), change, own[:, :, months:])
    return own


def mean_drift(own: FloatArray) -> FloatArray:
    """(P, T) mean over the studios that have a drift; 0 where none has."""
    return np.asarray(own.sum(1) / np.maximum((own != 0).sum(1), 1))


def mixed_drift(own: FloatArray, mean: FloatArray, stacked: dict[str, FloatArray]) -> FloatArray:
    """(P, S, T) drift to forecast with, of the studio's own and (P, T) that of all."""
    share = stacked["own_drift_share"][:, :, None]
    mixed = share * own + (1 - share) * mean[:, None]
    return np.asarray(np.where(stacked["drift_damping"][:, :, None] > 0, mixed, 0.0))


def common_drift(common: FloatArray) -> FloatArray:
    """(P, T) mean monthly change of the market since two years before, or one where no more is known."""
    drift = np.zeros_like(common)
    for months in _DRIFT_SPANS:
        if common.shape[1] > months:
            drift[:, months:] = (common[:, months:] - common[:, :-months]) / months
    return drift


def project(
    states: FilterStates,
    layer: int,
    rows: IntArray,
    columns: IntArray,
    season_path: FloatArray,
    settings: FilterSettings,
) -> FloatArray:
    """Forecasts a flow from N origins.

    Args:
        states: of the flow's filter.
        layer: which of the P settings.
        rows: (N,) studio rows in the states.
        columns: (N,) month columns of the origins.
        season_path: (N, H) the type's season in each projected month, on the flow's scale.
        settings: those of the layer.

    Returns:
        (N, H) on the flow's scale; NaN where the flow has no level at the origin.
    """
    horizon = np.arange(1, season_path.shape[1] + 1)
    own = own_season_ahead(states, layer, rows, columns, horizon)
    return np.asarray(
        states.level[layer, rows, columns, None]
        + states.deviation[layer, rows, columns, None] * settings.deviation_persistence**horizon
        + states.common[layer, columns, None] * settings.common_persistence**horizon
        + states.common_drift[layer, columns, None] * np.cumsum(settings.common_drift_damping**horizon)
        + states.drift[layer, rows, columns, None] * np.cumsum(settings.drift_damping**horizon)
        + states.amplitude[layer, rows, columns, None] * season_path
        + own
    )


def own_season_ahead(
    states: FilterStates, layer: int, rows: IntArray, columns: IntArray, months_ahead: IntArray
) -> FloatArray:
    """(N, H) what N origins know of the studios' own season in the months that lie H numbers of months ahead,
    1..12: it was last learned twelve months before them; 0 where it never was.
    """
    learned = columns[:, None] + months_ahead - 12
    return np.where(learned >= 0, states.own_season[layer, rows[:, None], np.maximum(learned, 0)], 0.0)
