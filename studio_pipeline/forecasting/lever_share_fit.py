"""Estimating the shares of the variance that levers hold, from forecasts under levers as they then were.

An error under given levers is the sum of what each free lever did: to one studio, and, with a month's
coefficient of its own for each lever, to all. Both variances are added up of the components that are not
given, on top of what is left when everything is. What is left may be a hundredth of the free variance: an
error therefore weighs by its own expected size, which makes a small variance as well determined as a large
one.
Source: variance components by iterated weighted least squares of squared errors (Pearson's estimating
equations, as in Davidian & Carroll 1987), non-negative; random coefficients by expectation-maximisation,
Dempster, Laird & Rubin (1977).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from studio_pipeline.forecasting.known_levers import HELD_LEVERS
from studio_pipeline.forecasting.lever_shares import COMPONENTS, LeverShares, component_shares, no_shares
from studio_pipeline.panel.arrays import FloatArray, IntArray

_ROUNDS = 12
_PRIOR_ROWS = 30.0
_SHARING_MONTHS = 1.5
_SMALLEST_SHARE = 0.05
_LARGEST_SQUARE = 9.0
_LARGEST_SUM = 0.9995
_FEWEST_ERRORS = 40
_SMALLEST_VARIANCE = 1e-10
_BISECTIONS = 40
_N_LEVERS = len(HELD_LEVERS)


@dataclass(frozen=True)
class GivenErrors:
    """Log errors under levers that were drawn at random, of N origins.

    Attributes:
        errors: (N, H), NaN where not known.
        given: (N, H, L) share of the months so far in which each of `HELD_LEVERS` was given.
        months: (N,) the origins' calendar months, any integers that tell them apart.
        own_variance: (N, H) of the own error with every lever free.
        weights: (N,) at least 0.
    """

    errors: FloatArray
    given: FloatArray
    months: IntArray
    own_variance: FloatArray
    weights: FloatArray


@dataclass(frozen=True)
class Floors:
    """What is left of the variances where every lever is given, as a share: (H,) of the own error, and of the
    common one; and `LeverShares.sums`.
    """

    own: FloatArray
    common: FloatArray
    sums: FloatArray


@dataclass(frozen=True)
class _Horizon:
    """The M known errors of one month ahead.

    Attributes:
        errors: (M,) log errors.
        open_shares: (M, C) in which share of the months a component was not given.
        months: (M,) the origins' calendar months.
        floor: (M,) own variance with all levers given.
        span: (M,) what levers take of the own variance together.
        weights: (M,) at least 0.
        common_floor: variance of the common error with all levers given.
    """

    errors: FloatArray
    open_shares: FloatArray
    months: IntArray
    floor: FloatArray
    span: FloatArray
    weights: FloatArray
    common_floor: float


def fit_lever_shares(drawn: GivenErrors, floors: Floors, common_variance: FloatArray) -> LeverShares:
    """Shares of the own and of the common variance, which add up to what the floors don't leave.

    Args:
        drawn: errors under random subsets of levers, all and none of them among those.
        floors: what is left with all levers given.
        common_variance: (H,) of the common error with every lever free.
    """
    n_horizons = drawn.errors.shape[1]
    if len(drawn.errors) < _FEWEST_ERRORS:
        return no_shares(n_horizons)
    horizons = [_horizon(drawn, floors, common_variance, h) for h in range(n_horizons)]
    own = np.full((n_horizons, len(COMPONENTS)), 1 / len(COMPONENTS))
    market = np.repeat(common_variance[:, None] / _N_LEVERS, _N_LEVERS, axis=1)
    near = _nearness(n_horizons)
    for _ in range(_ROUNDS):
        found = [_round(horizon, own[h], market[h]) for h, horizon in enumerate(horizons)]
        gram, moment, market = (np.stack(part) for part in zip(*found, strict=True))
        market = near @ market / near.sum(1, keepdims=True)
        gram, moment = np.tensordot(near, gram, 1), near @ moment
        own = np.stack([_non_negative(g, m) for g, m in zip(gram, moment, strict=True)])
    common = np.zeros_like(own)
    common[:, :_N_LEVERS] = _levelled_down(market, common_variance * (1 - floors.common))
    with np.errstate(divide="ignore", invalid="ignore"):
        common = np.where(common_variance[:, None] > 0, common / common_variance[:, None], 0.0)
    return LeverShares(_summing_to(own, 1 - floors.own), _summing_to(common, 1 - floors.common), floors.sums)


def _levelled_down(parts: FloatArray, sums: FloatArray) -> FloatArray:
    """(H, L) parts, the largest cut to such a level that none adds up to more than (H,) sums.

    The common variance is below what the backtest saw where that was a shock; a shock came through few
    levers, and what the market does through the others is no smaller for it.
    """
    low, high = np.zeros(len(parts)), parts.max(1)
    for _ in range(_BISECTIONS):
        level = (low + high) / 2
        above = np.minimum(parts, level[:, None]).sum(1) > sums
        low, high = np.where(above, low, level), np.where(above, level, high)
    return np.asarray(np.minimum(parts, high[:, None]))


def _horizon(drawn: GivenErrors, floors: Floors, common_variance: FloatArray, h: int) -> _Horizon:
    known = np.isfinite(drawn.errors[:, h])
    free = drawn.own_variance[known, h]
    return _Horizon(
        drawn.errors[known, h],
        1 - component_shares(drawn.given[known, h]),
        drawn.months[known],
        free * floors.own[h],
        free * (1 - floors.own[h]),
        drawn.weights[known],
        float(floors.common[h] * common_variance[h]),
    )


def _round(
    horizon: _Horizon, own: FloatArray, market: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Gram matrix and moments of the own components, and the (L,) variances of the levers' common
    coefficients, given what both were found to be before.
    """
    variance = np.maximum(horizon.floor + horizon.span * (horizon.open_shares @ own), _SMALLEST_VARIANCE)
    levers = horizon.open_shares[:, :_N_LEVERS]
    alone, mean_squares = _without_common(
        horizon.errors,
        np.column_stack([levers, np.ones(len(levers))]),
        horizon.months,
        variance,
        np.append(market, horizon.common_floor) + _SMALLEST_VARIANCE,
    )
    x = horizon.open_shares * (horizon.span / variance)[:, None]
    y = np.minimum(alone**2 / variance, _LARGEST_SQUARE) - horizon.floor / variance
    weighted = (x * horizon.weights[:, None]).T
    return weighted @ x, weighted @ y, mean_squares[:_N_LEVERS]


def _without_common(
    errors: FloatArray, x: FloatArray, months: IntArray, variance: FloatArray, prior: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Errors without each month's common part, whose coefficients on x have an (F,) prior variance; and the
    coefficients' (F,) mean squares.
    """
    distinct, group = np.unique(months, return_inverse=True)
    alone, squares = errors.copy(), np.zeros((len(distinct), len(prior)))
    for number in range(len(distinct)):
        here = group == number
        scaled = x[here] / variance[here, None]
        spread = np.linalg.inv(scaled.T @ x[here] + np.diag(1 / prior))
        coefficients = spread @ (scaled.T @ errors[here])
        alone[here] -= x[here] @ coefficients
        squares[number] = coefficients**2 + np.diag(spread)
    return alone, squares.mean(0) if len(distinct) else prior


def _nearness(n_horizons: int) -> FloatArray:
    """(H, H) how much horizons share with their neighbours."""
    near = np.exp(
        -0.5 * (np.subtract.outer(np.arange(n_horizons), np.arange(n_horizons)) / _SHARING_MONTHS) ** 2
    )
    near[near < _SMALLEST_SHARE] = 0.0
    return near


def _non_negative(gram: FloatArray, moment: FloatArray) -> FloatArray:
    """(C,) non-negative coefficients, pulled towards 0."""
    from scipy.optimize import nnls

    ridged = gram + _PRIOR_ROWS * np.eye(len(gram))
    root = np.linalg.cholesky(ridged)
    found, _ = nnls(root.T, np.linalg.solve(root, moment))
    return np.asarray(found)


def _summing_to(parts: FloatArray, sums: FloatArray) -> FloatArray:
    """(H, C) parts in proportion, each row with the sum that is asked for; 0 where there are none."""
    total = parts.sum(1)
    wanted = np.clip(sums, 0.0, _LARGEST_SUM)
    return np.asarray(parts * np.where(total > 0, wanted / np.maximum(total, 1e-12), 0.0)[:, None])
