"""Estimation of the levers' variance shares from backtests with levers at their actual values.

An error under given levers is modelled as the sum of components, one for each free lever or group of levers:
a studio's own part, and a market part with a random coefficient by month and lever. The variance under given
levers is the sum of the free components' variances plus a floor that remains when all levers are given. As
the floor may be a hundredth of the free variance, errors are weighted by their expected variance, which
determines small variances as well as large ones.
The result is `LeverShares` (`lever_variance_shares`), together with the widening for short histories.
Source: variance components by iterated weighted least squares of squared errors (Pearson's estimating
equations, as in Davidian & Carroll 1987), non-negative; random coefficients by expectation-maximisation,
Dempster, Laird & Rubin (1977).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from studio_pipeline.forecasting.backtest.core_backtest import CoreFit
from studio_pipeline.forecasting.backtest.out_of_fold import OutOfFold
from studio_pipeline.forecasting.backtest.short_history import YoungStudios, fit_young
from studio_pipeline.forecasting.base.given_levers import HELD_LEVERS
from studio_pipeline.forecasting.base.hyperparameters import MAX_HORIZON_MONTHS
from studio_pipeline.forecasting.intervals.calibration import Calibration, log_errors, weighted_quantile
from studio_pipeline.forecasting.intervals.error_scales import nearness
from studio_pipeline.forecasting.intervals.lever_variance_shares import (
    COMPONENTS,
    LeverShares,
    component_shares,
    usual_shares,
)
from studio_pipeline.forecasting.intervals.market_factor import split_common
from studio_pipeline.panel.arrays import BoolArray, FloatArray, IntArray

_ROUNDS = 12
_PRIOR_ROWS = 30.0
_LARGEST_SQUARE = 9.0
_LARGEST_SUM = 0.9995
_FEWEST_ERRORS = 40
_SMALLEST_VARIANCE = 1e-10
_BISECTIONS = 40
_N_LEVERS = len(HELD_LEVERS)


@dataclass(frozen=True)
class GivenErrors:
    """Log errors of N origins under random subsets of given levers."""

    errors: FloatArray  # (N, H) log errors, NaN where not known
    given: FloatArray  # (N, H, L) share of the months so far in which each of `HELD_LEVERS` was given
    months: IntArray  # (N,) the origins' calendar months, as distinct integers
    own_variance: FloatArray  # (N, H) variance of the own error with every lever free
    weights: FloatArray  # (N,) weights of the origins, at least 0


@dataclass(frozen=True)
class Floors:
    """Shares of the variances that remain when every lever is given."""

    own: FloatArray  # (H,) of the own error
    common: FloatArray  # (H,) of the market error
    sums: FloatArray  # (H,) as in `LeverShares.sums`


@dataclass(frozen=True)
class _Horizon:
    """The M known errors of one horizon."""

    errors: FloatArray  # (M,) log errors
    open_shares: FloatArray  # (M, C) share of the months in which a component was not given
    months: IntArray  # (M,) the origins' calendar months
    floor: FloatArray  # (M,) own variance with all levers given
    span: FloatArray  # (M,) part of the own variance that all levers together remove
    weights: FloatArray  # (M,) weights of the origins, at least 0
    common_floor: float  # variance of the market error with all levers given


def fit_lever_shares(drawn: GivenErrors, floors: Floors, common_variance: FloatArray) -> LeverShares:
    """Fits the shares of the own and of the market variance; together with the floors they add up to 1.
    `common_variance`: (H,) variance of the market error with every lever free.
    """
    n_horizons = drawn.errors.shape[1]
    if len(drawn.errors) < _FEWEST_ERRORS:
        return usual_shares(n_horizons)
    horizons = [_horizon(drawn, floors, common_variance, h) for h in range(n_horizons)]
    own = np.full((n_horizons, len(COMPONENTS)), 1 / len(COMPONENTS))
    market = np.repeat(common_variance[:, None] / _N_LEVERS, _N_LEVERS, axis=1)
    near = nearness(n_horizons)
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
    """(H, L) parts, the largest capped at a level at which no row adds up to more than (H,) sums.

    The market variance is smaller than in the backtest if that contained a shock. A shock acts through few
    levers: capping reduces their parts and leaves the others unchanged.
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
    """One iteration: Gram matrix and moments of the own components, and the (L,) variances of the levers'
    market coefficients, given the previous estimates of both.
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
    """Errors minus each month's market part, whose coefficients on x have (F,) prior variances, and the (F,)
    posterior mean squares of the coefficients.
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


def _non_negative(gram: FloatArray, moment: FloatArray) -> FloatArray:
    """(C,) non-negative least squares coefficients with a ridge towards 0."""
    from scipy.optimize import nnls

    # The second term keeps the matrix positive definite where almost no error remains under given levers.
    ridged = gram + (_PRIOR_ROWS + 1e-10 * np.trace(gram)) * np.eye(len(gram))
    root = np.linalg.cholesky(ridged)
    found, _ = nnls(root.T, np.linalg.solve(root, moment))
    return np.asarray(found)


def _summing_to(parts: FloatArray, sums: FloatArray) -> FloatArray:
    """(H, C) parts scaled so that each row has the given sum; 0 where all parts are 0."""
    total = parts.sum(1)
    wanted = np.clip(sums, 0.0, _LARGEST_SUM)
    return np.asarray(parts * np.where(total > 0, wanted / np.maximum(total, 1e-12), 0.0)[:, None])


_CALIBRATED_LEVEL = 0.9


def young_widening(core: CoreFit, actual: FloatArray, used: BoolArray) -> YoungStudios:
    """Fits the widening by known months, from the core's errors with short and with complete histories.
    `actual`: (N, H) known months after the origins, NaN elsewhere; `used`: (N,) mask of the chosen origins.
    """
    oof = core.out_of_fold
    kept = used[oof.young.places]
    places = oof.young.places[kept]
    happened, months = actual[places], oof.origins.columns[places]
    sizes = {
        left: np.abs(split_common(log_errors(happened, revenue[kept]), months).own)
        for left, revenue in oof.young.revenue.items()
    }
    full = split_common(log_errors(happened, oof.candidates["revenue"]["core"][places]), months).own
    return fit_young(sizes, np.abs(full))


def measured_shares(
    oof: OutOfFold, levers: Mapping[str, FloatArray], actual: FloatArray, used: BoolArray, found: Calibration
) -> LeverShares:
    """Fits the shares of the own and the market variance that given levers remove. `actual`: (N, H) known
    months after the origins, NaN elsewhere; `used`: (N,) mask of the origins that `found` was calibrated on.
    """
    months, happened = oof.origins.columns[used], actual[used]
    so_far = np.arange(1, MAX_HORIZON_MONTHS + 1)[:, None]
    seen = np.isfinite(np.stack([levers[name][used] for name in HELD_LEVERS], axis=2))
    given = (seen & oof.known.masks[used][:, None]).cumsum(1, dtype=np.float32) / so_far
    drawn = GivenErrors(
        log_errors(happened, oof.known.drawn[used]), given, months, found.own_deviation**2, found.weights
    )
    # Studios that report fewer levers than others can't show the error that remains when all are given.
    count = seen[:, 0].sum(1)
    whole = count >= max(float(np.median(count)), 1.0)
    forecast = np.where(whole[:, None], oof.known.all_known["revenue"][used], np.nan)
    return fit_lever_shares(drawn, _floors(forecast, happened, months, found), np.diag(found.tables.common))


def _floors(forecast: FloatArray, actual: FloatArray, months: IntArray, found: Calibration) -> Floors:
    """Variance shares that remain with all levers given.

    The own shares give 90 % intervals of single months and of sums their nominal coverage. The market share
    is the mean square over the months, inflated where these contain few separate spans of that length.
    """
    split = split_common(log_errors(actual, forecast), months)
    sums = split_common(log_errors(actual.cumsum(1), forecast.cumsum(1)), months).own
    so_far = np.arange(1, forecast.shape[1] + 1)
    low, high, total_low, total_high = found.tables.quantiles(_CALIBRATED_LEVEL)
    own = _squares(split.own / found.own_deviation, (high - low) / 2, found.weights)
    spans = (found.own_deviation * np.sqrt(own)).cumsum(1) / so_far
    summed = _squares(sums / spans, (total_high - total_low) / 2, found.weights)
    common_variance = np.diag(found.tables.common)
    shared = np.isfinite(split.common)
    count = shared.sum(0)
    squares = np.where(shared, split.common**2, 0.0).sum(0) / np.maximum(count, 1)
    fewness = 1 + so_far / np.maximum(count, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        common = np.where(common_variance > 0, squares * fewness / common_variance, 1.0)
    return Floors(own, np.minimum(np.where(count > 0, common, 1.0), 1.0), summed)


def _squares(scaled: FloatArray, reach: FloatArray, weights: FloatArray) -> FloatArray:
    """(H,) squared factors, at most 1, that give intervals of half width `reach` their nominal coverage."""
    found = np.ones(scaled.shape[1])
    for h in range(scaled.shape[1]):
        known = np.isfinite(scaled[:, h])
        if known.sum() >= _FEWEST_ERRORS:
            level = np.array([_CALIBRATED_LEVEL])
            (size,) = weighted_quantile(np.abs(scaled[known, h]), weights[known], level)
            found[h] = (size / reach[h]) ** 2
    return np.minimum(found, 1.0)
