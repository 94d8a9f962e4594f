"""Kalman filter of a flow's level over all studios at once, causal by construction.

A flow is `slow level + fast deviation + common market + season + counting noise`. The slow level is a random
walk that starts at the type's mean, the fast deviation is an AR(1) process around zero, the common market is
the component that all studios share in a month, and the season is the type's times the studio's amplitude
plus the studio's own; amplitude and own season are updated recursively. A month's state depends on no later
month. Several settings can be filtered in parallel (axis P), which `filter_tuning` uses. Forecasts from the
states are in `filter_states`.
Source of the recursions: Durbin & Koopman, Time Series Analysis by State Space Methods, 2nd ed., chapters 3
and 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import numpy as np

from studio_pipeline.forecasting.base.flows import FlowSeries
from studio_pipeline.forecasting.core.filter_states import (
    FilterSettings,
    FilterStates,
    Market,
    monthly_drift,
)
from studio_pipeline.panel.arrays import BoolArray, FloatArray, IntArray

_FIRST_VARIANCE_OF_DEVIATION = 0.5
_COMMON_NEEDS_STUDIOS = 8
_OUTLIER_SPREADS = 3.0


def run_filters(
    flow: FlowSeries,
    type_mean: FloatArray,
    season: FloatArray,
    calendar_months: IntArray,
    settings: Sequence[FilterSettings],
    market: Market | None = None,
) -> FilterStates:
    """Filter S studios over T months: one flow under P settings, or P flows, each under its own.

    Args:
        flow: (S, T), or (P, S, T) of P flows, responses to levers already removed.
        type_mean: (S,) or (P, S) starting value of a studio's level.
        season: (S, 12) or (P, S, 12) the type's seasonal factors on the flow's scale.
        market: market of the panel, if the studios are part of a larger one; estimated from them by default.
    """
    values, counting_variance = flow.values, flow.counting_variance
    n_studios, n_months = values.shape[-2:]
    stacked = {
        f.name: np.array([[getattr(s, f.name)] for s in settings], dtype=float)
        for f in fields(FilterSettings)
    }
    recursion = _Recursion(len(settings), type_mean, stacked)
    shape = (len(settings), n_studios, n_months)
    level, deviation, surprise, own_season, amplitude = (np.zeros(shape) for _ in range(5))
    common, moves = np.zeros((2, len(settings), n_months))
    for t in range(n_months):
        month = int(calendar_months[t])
        given = None if market is None else market.moves[:, t : t + 1]
        surprise[:, :, t], moved = recursion.step(
            values[..., t], counting_variance[..., t], season[..., month], month, given
        )
        level[:, :, t] = np.where(recursion.seen > 0, recursion.level, np.nan)
        deviation[:, :, t] = recursion.deviation
        own_season[:, :, t] = recursion.own_season[:, :, month]
        amplitude[:, :, t] = recursion.amplitude
        common[:, t], moves[:, t] = recursion.common[:, 0], moved[:, 0]
    own = monthly_drift(level)
    # The mean over the studios that have a drift.
    mean = own.sum(1) / np.maximum((own != 0).sum(1), 1) if market is None else market.drift
    share = stacked["own_drift_share"][:, :, None]
    drift = share * own + (1 - share) * mean[:, None]
    return FilterStates(
        level,
        deviation,
        np.where(stacked["drift_damping"][:, :, None] > 0, drift, 0.0),
        common,
        monthly_drift(common),
        own_season,
        amplitude,
        surprise,
        Market(moves, mean),
    )


class _Recursion:
    """Running state of the filter over P settings and S studios."""

    def __init__(self, n_settings: int, type_mean: FloatArray, stacked: dict[str, FloatArray]) -> None:
        shape = (n_settings, type_mean.shape[-1])
        self.s = stacked
        self._persistence_squared = stacked["deviation_persistence"] ** 2
        self.level = np.broadcast_to(type_mean, shape).astype(float)
        self.deviation = np.zeros(shape)
        self.p_level = np.broadcast_to(stacked["between_variance"], shape).astype(float)
        self.p_cross = np.zeros(shape)
        self.p_deviation = np.broadcast_to(
            _FIRST_VARIANCE_OF_DEVIATION * stacked["deviation_variance"], shape
        ).astype(float)
        self.own_season, self.own_weight = np.zeros((*shape, 12)), np.zeros((*shape, 12))
        self.amplitude = np.ones(shape)
        self.p_amplitude = np.broadcast_to(stacked["amplitude_variance"], shape).astype(float)
        self.seen = np.zeros(type_mean.shape)
        self.common = np.zeros((n_settings, 1))

    def step(
        self,
        value: FloatArray,
        counting: FloatArray,
        season: FloatArray,
        month: int,
        moved: FloatArray | None,
    ) -> tuple[FloatArray, FloatArray]:
        """Update the state by one month of (S,) or (P, S) values. The result is the (P, S) innovations and
        the (P, 1) move of the market: `moved` if given, else estimated.
        """
        self._predict()
        here = np.isfinite(value)
        seasonal = self.amplitude * season + self.own_season[:, :, month]
        expected = self.level + self.deviation + seasonal + self.common
        surprise = np.where(here, value - expected, 0.0)
        noise = counting + self.s["noise_variance"]
        total = self.p_level + 2 * self.p_cross + self.p_deviation + noise
        spread = np.sqrt(total)
        limit = _OUTLIER_SPREADS * spread
        settled = here & (self.seen > 0)
        if moved is None:
            moved = self._market_move(_within(surprise, limit), settled, total)
        self.common = self.common + moved
        own = surprise - moved
        cut = _within(own, limit)
        self._learn_amplitude(cut, settled, total, season)
        self._learn_season(cut, settled, noise, month)
        self._update(own, here, settled, total, spread)
        self.seen = self.seen + here
        return np.where(here, surprise, np.nan), moved

    def _predict(self) -> None:
        persistence = self.s["deviation_persistence"]
        self.deviation = self.deviation * persistence
        self.p_level = self.p_level + self.s["level_variance"]
        self.p_cross = self.p_cross * persistence
        self.p_deviation = self.p_deviation * self._persistence_squared + self.s["deviation_variance"]
        self.common = self.common * self.s["common_persistence"]

    def _market_move(self, cut: FloatArray, settled: BoolArray, total: FloatArray) -> FloatArray:
        """(P, 1) move of the market: weighted mean of the clipped innovations times the gain; 0 if too few
        studios have the month.
        """
        enough = settled.sum(-1, keepdims=True) >= _COMMON_NEEDS_STUDIOS
        if not enough.any():
            return np.zeros_like(self.common)
        weight = settled / total
        weighted = (cut * weight).sum(1, keepdims=True)
        mean = weighted / np.maximum(weight.sum(1, keepdims=True), np.finfo(float).tiny)
        return np.where(enough, self.s["common_gain"] * mean, 0.0)

    def _update(
        self, surprise: FloatArray, here: BoolArray, settled: BoolArray, total: FloatArray, spread: FloatArray
    ) -> None:
        jumped = settled & (np.abs(surprise) > self.s["jump_threshold"] * spread)
        widened = np.where(jumped, surprise**2, 0.0)
        clipped = _within(surprise, self.s["clip_threshold"] * spread)
        surprise = np.where(jumped, surprise, clipped)
        p_level, total = self.p_level + widened, total + widened
        gain_level = here * (p_level + self.p_cross) / total
        crossed = self.p_cross + self.p_deviation
        gain_deviation = here * crossed / total
        self.level = self.level + gain_level * surprise
        self.deviation = self.deviation + gain_deviation * surprise
        self.p_level = p_level - gain_level * (p_level + self.p_cross)
        self.p_cross = self.p_cross - gain_level * crossed
        self.p_deviation = self.p_deviation - gain_deviation * crossed

    def _learn_amplitude(
        self, cut: FloatArray, settled: BoolArray, total: FloatArray, season: FloatArray
    ) -> None:
        """Update the amplitude: recursive least squares of the clipped innovations on the type's season."""
        scale = total + season**2 * self.p_amplitude
        gain = np.where(settled, self.p_amplitude * season / scale, 0.0)
        self.amplitude = self.amplitude + gain * cut
        self.p_amplitude = self.p_amplitude * (1 - gain * season)

    def _learn_season(self, cut: FloatArray, settled: BoolArray, noise: FloatArray, month: int) -> None:
        """Update the studio's own season of the month by the clipped innovation, with a gain that falls with
        the number of years.
        """
        weight = np.where(settled, self.s["noise_variance"] / np.maximum(noise, 1e-12), 0.0)
        self.own_weight[:, :, month] += weight
        gain = weight / (self.own_weight[:, :, month] + self.s["own_season_months"])
        self.own_season[:, :, month] += gain * cut


def _within(values: FloatArray, limit: FloatArray) -> FloatArray:
    """Values clipped to +-limit; np.clip takes twice as long on the dozen numbers of one studio."""
    return np.asarray(np.minimum(np.maximum(values, -limit), limit))
