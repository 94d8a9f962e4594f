"""Error scales: standard deviation of a studio's own log error by horizon, as a function of its past months.

Small studios have few members and larger relative errors; volatile studios stay volatile. The log of the
absolute error is regressed on such signs (`scale_signs`), with slopes shared between neighbouring horizons
and shrunk towards a prior in which the scale grows with the square root of the studio's volatility. The
levels are set in `calibration`.
Source: multiplicative heteroscedasticity, Harvey (1976); locally weighted conformal prediction, Lei et al.
(2018), which divides residuals by such a scale.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from studio_pipeline.panel.arrays import FloatArray, IntArray

_RECENT_MONTHS = 6
_MOMENTUM_MONTHS = 3
_LARGEST_CHANGE = 1.0
_LARGEST_SIGN = 2.5
_PRIOR_SLOPES = np.array([0.0, 0.5, 0.0, 0.0])
_PRIOR_ROWS = 150.0
_SHARING_MONTHS = 1.5
_SMALLEST_SHARE = 0.05
_DEFAULT_CHANGE = 0.08
_SMALLEST_CHANGE = 0.002
_FEWEST_CHANGES = 6


@dataclass(frozen=True)
class ScaleModel:
    """Standard deviation of the own log error by studio and horizon: exp(level + slopes x signs)."""

    level: FloatArray  # (H,) log deviation of a studio with typical signs
    slopes: FloatArray  # (H, F) per standard deviation of each sign
    centre: FloatArray  # (F,) means of the signs; an unknown sign is set to its mean
    spread: FloatArray  # (F,) standard deviations of the signs
    typical_change: float  # mean absolute monthly log change of revenue of a typical studio
    own_scale_months: float  # number of known changes at which a studio's own volatility has weight 1/2

    def own(self, windows: Mapping[str, FloatArray]) -> FloatArray:
        """(N, H) deviation of each studio's own log error. `windows`: column to (N, WINDOW_MONTHS) months up
        to the base month.
        """
        return self.from_signs(scale_signs(windows, self.typical_change, self.own_scale_months))

    def from_signs(self, signs: FloatArray) -> FloatArray:
        """(N, H) deviations, from (N, F) signs."""
        return np.asarray(np.exp(self.level + _standardised(signs, self.centre, self.spread) @ self.slopes.T))

    def to_json(self) -> dict[str, Any]:
        """Plain lists and numbers."""
        return {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in vars(self).items()
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> ScaleModel:
        """Inverse of `to_json`."""
        found: dict[str, Any] = {n: np.array(v) if isinstance(v, list) else v for n, v in stored.items()}
        return cls(**found)


def scale_signs(
    windows: Mapping[str, FloatArray], typical_change: float, own_scale_months: float
) -> FloatArray:
    """(N, 4) predictors of the error scale, NaN where unknown: log members; log of the mean absolute monthly
    log change of revenue; log of new members a member and month; absolute log change of revenue in 3 months.
    """
    revenue, members = windows["total_revenue"], windows["total_members"]
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(np.where(revenue > 0, revenue, np.nan))
        size = np.log(np.where(members[:, -1] > 0, members[:, -1], np.nan))
        joined = windows["new_members"][:, -_RECENT_MONTHS:]
        seen = np.isfinite(joined)
        mean_joined = np.where(seen, joined, 0.0).sum(1) / seen.sum(1)
        turnover = np.log((mean_joined + 0.5) / members[:, -1])
    sums, counts = _monthly_changes(logs)
    mean_change = (sums + own_scale_months * typical_change) / np.maximum(counts + own_scale_months, 1e-9)
    volatility = np.log(np.maximum(mean_change, _SMALLEST_CHANGE))
    momentum = np.minimum(np.abs(logs[:, -1] - logs[:, -1 - _MOMENTUM_MONTHS]), _LARGEST_CHANGE)
    signs = np.stack([size, volatility, turnover, momentum], axis=1)
    return np.where(np.isfinite(signs), signs, np.nan)


def typical_change(windows: Mapping[str, FloatArray]) -> float:
    """Median over studios of the mean absolute monthly log change of revenue; a default if unknown."""
    revenue = windows["total_revenue"]
    sums, counts = _monthly_changes(np.log(np.where(revenue > 0, revenue, np.nan)))
    mean = sums / np.maximum(counts, 1)
    enough = counts >= _FEWEST_CHANGES
    return float(max(np.median(mean[enough]), _SMALLEST_CHANGE)) if enough.any() else _DEFAULT_CHANGE


def _monthly_changes(logs: FloatArray) -> tuple[FloatArray, IntArray]:
    """(N,) sums of the known absolute monthly changes, each at most `_LARGEST_CHANGE`, and their number."""
    steps = np.abs(np.diff(logs, axis=1))
    known = np.isfinite(steps)
    return np.where(known, np.minimum(steps, _LARGEST_CHANGE), 0.0).sum(1), known.sum(1)


def fit_scales(
    own: FloatArray, signs: FloatArray, weights: FloatArray, typical: float, own_scale_months: float
) -> ScaleModel:
    """Fits the slopes of the log absolute error on the signs; levels stay 0 until the calibration sets them.
    `own`: (N, H) own log residuals, NaN where not known; `typical`: `typical_change` of the panel.
    """
    centre, spread = _moments(signs, weights)
    x = _standardised(signs, centre, spread)
    n_horizons, n_signs = own.shape[1], x.shape[1]
    gram, moment = np.zeros((n_horizons, n_signs, n_signs)), np.zeros((n_horizons, n_signs))
    for h in range(n_horizons):
        known = np.isfinite(own[:, h]) & (weights > 0)
        if known.any():
            gram[h], moment[h] = _horizon_moments(own[known, h], x[known], weights[known])
    share = nearness(n_horizons)
    gram, moment = np.tensordot(share, gram, 1), share @ moment
    ridge = _PRIOR_ROWS * np.eye(n_signs)
    prior = _PRIOR_SLOPES * spread
    slopes = np.linalg.solve(gram + ridge, (moment + ridge @ prior)[:, :, None])[:, :, 0]
    return ScaleModel(
        np.zeros(n_horizons), np.asarray(slopes, dtype=np.float64), centre, spread, typical, own_scale_months
    )


def nearness(n_horizons: int) -> FloatArray:
    """(H, H) kernel by which neighbouring horizons share their moments."""
    steps = np.arange(n_horizons)
    near = np.exp(-0.5 * (np.subtract.outer(steps, steps) / _SHARING_MONTHS) ** 2)
    near[near < _SMALLEST_SHARE] = 0.0
    return near


def _horizon_moments(own: FloatArray, x: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    size = np.abs(own)
    y = np.log(size + 0.05 * max(float(np.median(size)), 1e-9))
    weight = weights / max(float(weights.max()), 1e-12)
    total = weight.sum()
    x = x - weight @ x / total
    y = y - weight @ y / total
    return (x * weight[:, None]).T @ x, (x * weight[:, None]).T @ y


def _moments(signs: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(F,) weighted means and standard deviations of the known values; 0 and 1 where none is known."""
    known = np.isfinite(signs)
    weight = np.where(known, weights[:, None], 0.0)
    total = np.maximum(weight.sum(0), 1e-12)
    centre = (weight * np.where(known, signs, 0.0)).sum(0) / total
    spread = np.sqrt((weight * np.where(known, signs - centre, 0.0) ** 2).sum(0) / total)
    return centre, np.where(spread > 1e-6, spread, 1.0)


def _standardised(signs: FloatArray, centre: FloatArray, spread: FloatArray) -> FloatArray:
    inside = np.clip((signs - centre) / spread, -_LARGEST_SIGN, _LARGEST_SIGN)
    return np.where(np.isfinite(inside), inside, 0.0)
