"""How much less uncertain an answer is where levers are given, and how much more outside what was seen.

Given levers are taken as carried out exactly, so what they would have done by themselves is no longer in
doubt. Each lever holds a share of the variance of the own error, by horizon; what is given takes its share
away, and the rest stays; a last share goes only where all of them are given, as levers make up for one
another's errors. Shares are never negative and add up to less than one, so that a lever more never
widens an answer and none makes it certain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from studio_pipeline.forecasting.known_levers import HELD_LEVERS
from studio_pipeline.panel.arrays import FloatArray

_LARGEST_SUM = 0.995
_PRIOR_ROWS = 60.0
_SHARING_MONTHS = 1.5
_SMALLEST_SHARE = 0.05
_LARGEST_SQUARE = 9.0
_SMALLEST_SPAN = 0.1
_WIDENING_PER_SPAN = 0.5


@dataclass(frozen=True)
class LeverShares:
    """Shares of the variance that levers hold.

    Attributes:
        shares: (H, L + 1) by horizon, in the order of `HELD_LEVERS`, then that of all together; each row sums
            to less than 1.
    """

    shares: FloatArray

    def factor(self, levers: Mapping[str, FloatArray]) -> FloatArray:
        """(N, H) what given levers multiply a free answer's deviation by, at most 1.

        A lever that is given from a later month on takes away the part of its share that falls to the months
        since.

        Args:
            levers: lever to (N, H) given values, NaN where free; `current_member_count` counts for nothing.
        """
        known = [levers[name] for name in HELD_LEVERS if name in levers]
        if not known:
            return np.ones((1, len(self.shares)))
        n_horizons = known[0].shape[1]
        places = [k for k, name in enumerate(HELD_LEVERS) if name in levers]
        given = np.isfinite(np.stack(known, axis=2)).cumsum(1) / np.arange(1, n_horizons + 1)[:, None]
        if len(known) == len(HELD_LEVERS):
            given, places = with_together(given), [*places, len(HELD_LEVERS)]
        held = self.shares[:n_horizons, places]
        return np.asarray(np.sqrt(1 - (given * held).sum(2)))

    def to_json(self) -> dict[str, Any]:
        """Plain lists."""
        return {"shares": self.shares.tolist()}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> LeverShares:
        """Inverse of `to_json`."""
        return cls(np.array(stored["shares"]))


def with_together(given: FloatArray) -> FloatArray:
    """(..., L + 1) shares of months given, the last of them that of all levers."""
    return np.concatenate([given, given.min(-1, keepdims=True)], axis=-1)


def no_shares(n_horizons: int) -> LeverShares:
    """Where nothing is known of it: givens narrow nothing."""
    return LeverShares(np.zeros((n_horizons, len(HELD_LEVERS) + 1)))


def fit_lever_shares(squares: FloatArray, given: FloatArray, weights: FloatArray) -> LeverShares:
    """Shares by non-negative least squares of scaled squared errors on what was given.

    Args:
        squares: (R, H) squared own errors under given levers over the free answer's variance, NaN if unknown.
        given: (R, H, L) share of the months so far in which each of `HELD_LEVERS` was given.
        weights: (R,) at least 0.
    """
    n_horizons, n_levers = squares.shape[1], given.shape[2] + 1
    gram, moment = np.zeros((n_horizons, n_levers, n_levers)), np.zeros((n_horizons, n_levers))
    scaled = weights / max(float(weights.max(initial=0.0)), 1e-12)
    for h in range(n_horizons):
        known = np.isfinite(squares[:, h])
        x = with_together(given[known, h].astype(np.float64))
        saved = 1 - np.minimum(squares[known, h], _LARGEST_SQUARE)
        gram[h] = (x * scaled[known, None]).T @ x
        moment[h] = (x * scaled[known, None]).T @ saved
    near = np.exp(
        -0.5 * (np.subtract.outer(np.arange(n_horizons), np.arange(n_horizons)) / _SHARING_MONTHS) ** 2
    )
    near[near < _SMALLEST_SHARE] = 0.0
    gram, moment = np.tensordot(near, gram, 1), near @ moment
    shares = np.stack([_solved(g, m) for g, m in zip(gram, moment, strict=True)])
    excess = np.maximum(shares.sum(1, keepdims=True) / _LARGEST_SUM, 1.0)
    return LeverShares(shares / excess)


def _solved(gram: FloatArray, moment: FloatArray) -> FloatArray:
    """(L,) non-negative coefficients, pulled towards 0."""
    from scipy.optimize import nnls

    ridged = gram + _PRIOR_ROWS * np.eye(len(gram))
    root = np.linalg.cholesky(ridged)
    found, _ = nnls(root.T, np.linalg.solve(root, moment))
    return np.asarray(found)


def widening_outside(
    levers: Mapping[str, FloatArray], shown: Mapping[str, tuple[float, float]]
) -> FloatArray | float:
    """What levers outside the range that the data have seen multiply an answer's deviation by, at least 1.

    Half of itself for each span of the shown range that a lever lies outside it, or did in a month before; a
    span is at least a tenth of the nearer end. A lever that was never shown counts for nothing here.

    Args:
        levers: lever to (H,) given values, NaN where free.
        shown: lever to its smallest and largest shown value.

    Returns:
        (H,), or 1 where every lever lies inside.
    """
    widening: FloatArray | float = 1.0
    for lever, path in levers.items():
        low, high = shown.get(lever, (-np.inf, np.inf))
        if np.nanmin(path) < low or np.nanmax(path) > high:
            below, above = np.fmax(low - path, 0.0), np.fmax(path - high, 0.0)
            span = np.maximum(high - low, _SMALLEST_SPAN * np.where(below > 0, abs(low), abs(high)))
            beyond = np.maximum(below, above) / np.maximum(span, 1e-12)
            widening = widening + _WIDENING_PER_SPAN * np.maximum.accumulate(beyond)
    return widening
