"""Joint simulation by residual bootstrap: sums over months and studios, and differences between answers.

Every draw is one path of own errors, scaled by the studio, and one path of the market error, which all
studios share. Own paths are those of the calibration's residuals, rearranged to the tables' quantiles. All
questions use the same stored paths (common random numbers): errors that hit two answers of one studio alike
cancel in their difference, and a repeated question gets the same answer. Intervals of single months need no
paths and come from `interval_tables`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np

from studio_pipeline.forecasting.intervals.interval_tables import IntervalTables
from studio_pipeline.panel.arrays import FloatArray, IntArray

N_PATHS = 256

_FEWEST_PATHS = 60
_SEED = 20_190_401


def own_paths(scaled: FloatArray, weights: FloatArray, levels: FloatArray, table: FloatArray) -> FloatArray:
    """(K, H) paths of own errors over their deviations.

    The dependence between months is that of complete residual paths, sampled evenly by weight in the order of
    their means. Each month's values are then replaced by its quantiles of the same rank, so that paths and
    tables have the same marginal distributions. A random walk replaces the residuals if there are too few
    complete paths.

    `scaled`: (N, H) scaled own residuals, NaN where not known.
    """
    whole = np.flatnonzero(np.isfinite(scaled).all(1))
    if len(whole) >= _FEWEST_PATHS:
        order = whole[np.argsort(scaled[whole].mean(1), kind="stable")]
        share = np.cumsum(weights[order]) / weights[order].sum()
        drawn = scaled[order[np.searchsorted(share, (np.arange(N_PATHS) + 0.5) / N_PATHS)]]
    else:
        drawn = np.random.default_rng(_SEED).standard_normal((N_PATHS, scaled.shape[1])).cumsum(1)
    ranks = drawn.argsort(0, kind="stable").argsort(0, kind="stable")
    places = (ranks + 0.5) / N_PATHS
    return np.stack([np.interp(places[:, h], levels, row) for h, row in enumerate(table)], axis=1)


def common_paths(covariance: FloatArray) -> FloatArray:
    """(K, H) normal paths whose sample mean is 0 and whose sample covariance is the given (H, H) one."""
    rng = np.random.default_rng(_SEED)
    n_horizons = len(covariance)
    # Evenly spaced normal quantiles, shuffled in each column and then whitened, have exact moments.
    order = rng.random((N_PATHS, n_horizons)).argsort(0, kind="stable")
    normal = normal_quantiles(N_PATHS)[order]
    normal = normal - normal.mean(0)
    white = normal @ np.linalg.inv(np.linalg.cholesky(normal.T @ normal / N_PATHS)).T
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(white @ (vectors * np.sqrt(np.maximum(values, 0.0))).T)


def normal_quantiles(n: int) -> FloatArray:
    """(n,) increasing quantiles of the standard normal distribution at (k + 1/2) / n."""
    normal = NormalDist()
    return np.array([normal.inv_cdf((place + 0.5) / n) for place in range(n)])


_SEED_JOINT_PATHS = 20_200_229
_STUDIOS_AT_ONCE = 256
_PAIRINGS = 8


@dataclass(frozen=True)
class Projected:
    """Revenue of one or several answers, with deviations; (h,) of one answer or (N, h) of N answers."""

    revenue: FloatArray  # mean of each month, currency
    scale: FloatArray  # standard deviation of its log error
    common: FloatArray  # deviation of its market part


def studio_sum_paths(tables: IntervalTables, revenue: FloatArray, scale: FloatArray) -> FloatArray:
    """(K, h) equally likely paths of the sum over N studios, from (N, h) means and deviations of log errors.

    Own errors are independent between studios: each studio uses the own paths in its own random order. Orders
    are drawn by descending revenue, so that the result depends neither on names nor on the order of rows.
    """
    common = np.broadcast_to(tables.common_deviation[: revenue.shape[1]], revenue.shape)
    places = np.arange(len(revenue))
    return calendar_sum_paths(tables, Projected(revenue, scale, common), places, np.zeros_like(places))


def calendar_sum_paths(
    tables: IntervalTables, answers: Projected, studios: IntArray, starts: IntArray
) -> FloatArray:
    """(K, M) equally likely paths of the sum of N answers in each of M calendar months.

    Answers of one studio share the same own errors, and all answers the same market error, each by months
    ahead.

    Args:
        answers: (N, h) revenue, scale and market part of N answers, zeros after an answer's last month.
        studios: (N,) numbers of the studios, from 0 on.
        starts: (N,) calendar month of an answer's first month, 0 to M - h.
    """
    of_studio = np.zeros((studios.max() + 1, answers.revenue.shape[1]))
    np.add.at(of_studio, studios, answers.revenue)
    orders = _orders(len(tables.own_paths), of_studio)[studios]
    months = answers.revenue.shape[1]
    total = np.zeros((len(tables.own_paths), int(starts.max()) + months))
    for first in range(0, len(studios), _STUDIOS_AT_ONCE):
        some = slice(first, first + _STUDIOS_AT_ONCE)
        paths = _paths(tables, answers.revenue[some], answers.scale[some], orders[some], answers.common[some])
        for start in np.unique(starts[some]):
            total[:, start : start + months] += paths[starts[some] == start].sum(0)
    return total


def independent_draws(effects: FloatArray, n_paths: int) -> FloatArray:
    """(K, M) normal draws with mean 0 of the sum of J independent effects, one draw of each for all M months.
    `effects`: (J, M) change of each month per standard deviation of the effect.
    """
    # The QR factor R has at most M rows and the same covariance R'R as the effects: fewer draws are needed.
    turned = np.linalg.qr(effects, mode="r")
    rng, normal = np.random.default_rng(_SEED_JOINT_PATHS), normal_quantiles(n_paths)
    drawn = [normal[rng.permutation(n_paths)] for _ in turned]
    return np.asarray(np.array(drawn).T @ turned)


def aligned_paths(
    tables: IntervalTables, answers: Sequence[Projected], studios: Sequence[int], first_months: Sequence[int]
) -> FloatArray:
    """(K, N, M) equally likely paths of N answers over the same M calendar months; their mean is the revenue.

    All answers share the market error, and answers of one studio also its own errors. Own errors of different
    studios are independent; their paths are paired in several random orders, so K is a multiple of the
    tables' number of paths. Each answer uses the errors by its months ahead.

    Args:
        answers: N answers, each up to the last of the M months at least.
        studios: N numbers, equal for answers of one studio.
        first_months: N positions of the first of the M months in each answer, from 0 on.
    """
    size = np.bincount(studios, [float(answer.revenue.sum()) for answer in answers])
    n_paths, rng = len(tables.own_paths), np.random.default_rng(_SEED_JOINT_PATHS)
    # Drawn by descending revenue, as in `studio_sum_paths`: independent of names and of the answers' order.
    orders = {
        int(studio): np.concatenate([rng.permutation(n_paths) for _ in range(_PAIRINGS)])
        for studio in np.argsort(-size, kind="stable")
    }
    market = np.tile(np.arange(n_paths), _PAIRINGS)
    found = []
    for answer, studio, first in zip(answers, studios, first_months, strict=True):
        inside = slice(first, len(answer.revenue))
        own, share = tables.own_scale(answer.scale, answer.common)
        errors = tables.own_paths[orders[studio], inside] * own[inside]
        factors = np.exp(errors + tables.common_paths[market, inside] * share[inside])
        found.append(factors * (answer.revenue[inside] / factors.mean(0)))
    return np.stack(found, 1)


def _paths(
    tables: IntervalTables,
    revenue: FloatArray,
    scale: FloatArray,
    orders: IntArray,
    common: FloatArray,
) -> FloatArray:
    """(N, K, h) revenue paths, each studio using the own paths in its order."""
    months = revenue.shape[1]
    own, share = tables.own_scale(scale, common)
    errors = tables.own_paths[:, :months][orders] * own[:, None, :]
    factors = np.exp(errors + tables.common_paths[None, :, :months] * share[:, None, :])
    return np.asarray(factors * (revenue / factors.mean(1))[:, None, :])


def _orders(n_paths: int, revenue: FloatArray) -> IntArray:
    orders = np.empty((len(revenue), n_paths), dtype=np.int64)
    drawn = np.random.default_rng(_SEED_JOINT_PATHS).random((len(revenue), n_paths), dtype=np.float32)
    orders[np.argsort(-revenue.sum(1), kind="stable")] = drawn.argsort(1, kind="stable")
    return orders


def central_interval(draws: FloatArray, level: float) -> FloatArray:
    """(2, ...) both ends of the central interval of (K, ...) equally likely draws."""
    return np.asarray(np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0))


def difference_paths(
    tables: IntervalTables, one: Projected, other: Projected, response_deviation: FloatArray
) -> FloatArray:
    """(K, h) draws of the difference in revenue between two answers of the same studio.

    Both answers share own and market errors up to the smaller of their deviations. Variance that a given
    lever removes remains in the answer that leaves the lever free, and in that one alone. To first order, as
    differences are small relative to the revenue. `response_deviation`: (h,) deviation of the difference
    through the lever responses, currency; perfectly correlated over the months.
    """
    months = len(one.revenue)
    alone, loads = _alone_order(len(tables.own_paths)), _loads(tables, one, other)
    return np.asarray(
        one.revenue
        - other.revenue
        + tables.own_paths[:, :months] * loads[0]
        + tables.common_paths[:, :months] * loads[1]
        + tables.own_paths[alone, :months] * loads[2]
        + tables.common_paths[alone, :months] * loads[3]
        + _response_draws(len(tables.own_paths))[:, None] * response_deviation
    )


def difference_sums(
    tables: IntervalTables, one: Projected, other: Projected, response_deviation: FloatArray
) -> FloatArray:
    """(K,) draws of `difference_paths`, summed over the months."""
    months = len(one.revenue)
    alone, loads = _alone_order(len(tables.own_paths)), _loads(tables, one, other)
    own, common = tables.own_paths[:, :months] @ loads[::2].T, tables.common_paths[:, :months] @ loads[1::2].T
    more = float((one.revenue - other.revenue).sum())
    responses = _response_draws(len(tables.own_paths)) * response_deviation.sum()
    return np.asarray(more + own[:, 0] + common[:, 0] + own[alone, 1] + common[alone, 1] + responses)


def _loads(tables: IntervalTables, one: Projected, other: Projected) -> FloatArray:
    """(4, h) sensitivity of a difference, currency, to shared own and shared market errors, and to own and
    market errors that only one of the answers has.
    """
    own_a, share_a = tables.own_scale(one.scale, one.common)
    own_b, share_b = tables.own_scale(other.scale, other.common)
    more = one.revenue - other.revenue
    return np.stack(
        [
            more * np.minimum(own_a, own_b),
            more * np.minimum(share_a, share_b),
            _alone(one.revenue, own_a, other.revenue, own_b),
            _alone(one.revenue, share_a, other.revenue, share_b),
        ]
    )


@lru_cache(maxsize=4)
def _alone_order(n_paths: int) -> IntArray:
    """(K,) order in which the paths serve as errors of one answer alone."""
    return np.roll(np.arange(n_paths), n_paths // 2)


def _alone(
    revenue_a: FloatArray, scale_a: FloatArray, revenue_b: FloatArray, scale_b: FloatArray
) -> FloatArray:
    """(h,) deviation, currency, that only one of two answers has."""
    apart = np.sqrt(np.abs(scale_a**2 - scale_b**2))
    return np.asarray(np.where(scale_a > scale_b, revenue_a, revenue_b) * apart)


def difference_interval(
    tables: IntervalTables, one: Projected, other: Projected, response_deviation: FloatArray, level: float
) -> tuple[float, float]:
    """Interval of the difference between the totals of two answers of one studio; see `difference_paths`."""
    low, high = outer_ends(difference_sums(tables, one, other, response_deviation), level)
    return float(low), float(high)


def outer_ends(draws: FloatArray, level: float) -> FloatArray:
    """(2, ...) both ends of the central interval of (K, ...) draws, without interpolation: an end that lies
    between two draws is the outer one.
    """
    place = int((1 - level) / 2 * len(draws))
    return np.sort(draws, axis=0)[[place, -1 - place]]


def chances_of_more(draws: FloatArray) -> FloatArray:
    """(...) probability that a difference is above 0, from (K, ...) draws; ties count half."""
    return np.asarray((draws > 0).mean(0) + 0.5 * (draws == 0).mean(0))


@lru_cache(maxsize=4)
def _response_draws(n_paths: int) -> FloatArray:
    return normal_quantiles(n_paths)[np.random.default_rng(_SEED_JOINT_PATHS).permutation(n_paths)]
