"""Joint simulation from the residual bootstrap: sums over months and studios, differences between answers.

Every draw is one path of own errors, scaled by the studio, and one of the common error, which all studios
share. The same paths serve every question (common random numbers), so that what hits two answers of one
studio alike doesn't blur their difference, and an answer asked twice is the same.
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

    How months hang together is that of whole residual paths, taken evenly by weight in the order of their
    means; each month's values are then those of its table of quantiles, by rank, so that paths and tables say
    the same of any one month. Too few whole paths are replaced by those of a random walk.

    Args:
        scaled: (N, H) scaled own residuals, NaN where not known.
        weights: (N,) at least 0.
        levels: (Q,) of the table.
        table: (H, Q) quantiles.
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
    """(K, H) normal paths with mean 0 and an (H, H) covariance, both exactly."""
    rng = np.random.default_rng(_SEED)
    n_horizons = len(covariance)
    # Each column's values are evenly spaced normal quantiles in a drawn order, then made uncorrelated.
    order = rng.random((N_PATHS, n_horizons)).argsort(0, kind="stable")
    normal = normal_quantiles(N_PATHS)[order]
    normal = normal - normal.mean(0)
    white = normal @ np.linalg.inv(np.linalg.cholesky(normal.T @ normal / N_PATHS)).T
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(white @ (vectors * np.sqrt(np.maximum(values, 0.0))).T)


def normal_quantiles(n: int) -> FloatArray:
    """(n,) increasing values that stand for equal shares of the standard normal distribution."""
    normal = NormalDist()
    return np.array([normal.inv_cdf((place + 0.5) / n) for place in range(n)])


_SEED_JOINT_PATHS = 20_200_229
_STUDIOS_AT_ONCE = 256
_PAIRINGS = 8


@dataclass(frozen=True)
class Projected:
    """One answer of one studio.

    Attributes:
        revenue: (h,) mean of each month, currency.
        scale: (h,) deviation of its log error.
        common: (h,) deviation of the common part of that error; None for that of a free answer.
    """

    revenue: FloatArray
    scale: FloatArray
    common: FloatArray | None = None


def revenue_paths(tables: IntervalTables, revenue: FloatArray, scale: FloatArray) -> FloatArray:
    """(K, N, h) equally likely paths; their mean is the revenue, to rounding.

    Own errors are independent between studios: each takes the own paths in an order of its own, drawn in the
    order of the studios' revenue, so that neither names nor the order of rows matter.

    Args:
        tables: of the model.
        revenue: (N, h) means.
        scale: (N, h) deviations of the log errors.
    """
    return np.asarray(_paths(tables, revenue, scale, _orders(len(tables.own_paths), revenue)).swapaxes(0, 1))


def studio_sum_paths(tables: IntervalTables, revenue: FloatArray, scale: FloatArray) -> FloatArray:
    """(K, h) equally likely paths of the sum over N studios: of `revenue_paths`, without holding them."""
    orders = _orders(len(tables.own_paths), revenue)
    total = np.zeros((len(tables.own_paths), revenue.shape[1]))
    for first in range(0, len(revenue), _STUDIOS_AT_ONCE):
        some = slice(first, first + _STUDIOS_AT_ONCE)
        total += _paths(tables, revenue[some], scale[some], orders[some]).sum(0)
    return total


def calendar_sum_paths(
    tables: IntervalTables, answers: Projected, studios: IntArray, starts: IntArray
) -> FloatArray:
    """(K, M) equally likely paths of the sum of N answers in each of M calendar months.

    As `studio_sum_paths`, which it is for one answer a studio, all from one base month. Answers of one studio
    live through the same own errors, each by its months ahead, and so do all through the common one.

    Args:
        tables: of the model.
        answers: (N, h) revenue, scale and common part of N answers, zeros after an answer's last month.
        studios: (N,) numbers of the studios, 0 to the largest.
        starts: (N,) in which calendar month an answer's first month lies, 0 to M - h.
    """
    common = np.zeros_like(answers.scale) if answers.common is None else answers.common
    of_studio = np.zeros((studios.max() + 1, answers.revenue.shape[1]))
    np.add.at(of_studio, studios, answers.revenue)
    orders = _orders(len(tables.own_paths), of_studio)[studios]
    months = answers.revenue.shape[1]
    total = np.zeros((len(tables.own_paths), int(starts.max()) + months))
    for first in range(0, len(studios), _STUDIOS_AT_ONCE):
        some = slice(first, first + _STUDIOS_AT_ONCE)
        paths = _paths(tables, answers.revenue[some], answers.scale[some], orders[some], common[some])
        for start in np.unique(starts[some]):
            total[:, start : start + months] += paths[starts[some] == start].sum(0)
    return total


def independent_draws(effects: FloatArray, n_paths: int) -> FloatArray:
    """(K, M) normal draws with mean 0 of the sum of J independent effects, each off alike in all M months.

    Args:
        effects: (J, M) what each moves in each month where it is one deviation off.
        n_paths: K.
    """
    # An orthogonal turn of independent normal effects changes nothing but their number.
    turned = np.linalg.qr(effects, mode="r")
    rng, normal = np.random.default_rng(_SEED_JOINT_PATHS), normal_quantiles(n_paths)
    drawn = [normal[rng.permutation(n_paths)] for _ in turned]
    return np.asarray(np.array(drawn).T @ turned)


def aligned_paths(
    tables: IntervalTables, answers: Sequence[Projected], studios: Sequence[int], first_months: Sequence[int]
) -> FloatArray:
    """(K, N, M) equally likely paths of N answers over the same M calendar months; their mean is the revenue.

    The common error is that of one market. Answers of one studio share its own errors too; those of different
    studios are independent, and their paths are paired in several ways: K is a multiple of the tables'. An
    answer from a later base month takes the same path at fewer months ahead.

    Args:
        tables: of the model.
        answers: each up to the last of the M months.
        studios: N numbers, equal for answers of one studio.
        first_months: N places of the first of the M months in each answer, from 0 on.
    """
    size = np.bincount(studios, [float(answer.revenue.sum()) for answer in answers])
    n_paths, rng = len(tables.own_paths), np.random.default_rng(_SEED_JOINT_PATHS)
    # As in `revenue_paths`: neither names nor the order of the answers matter.
    orders = {
        int(studio): np.concatenate([rng.permutation(n_paths) for _ in range(_PAIRINGS)])
        for studio in np.argsort(-size, kind="stable")
    }
    market = np.tile(np.arange(n_paths), _PAIRINGS)
    found = []
    for answer, studio, first in zip(answers, studios, first_months, strict=True):
        inside = slice(first, len(answer.revenue))
        common = None if answer.common is None else answer.common[None]
        (own,), (share,) = tables.own_scale(answer.scale[None], common)
        errors = tables.own_paths[orders[studio], inside] * own[inside]
        factors = np.exp(errors + tables.common_paths[market, inside] * share[inside])
        found.append(factors * (answer.revenue[inside] / factors.mean(0)))
    return np.stack(found, 1)


def _paths(
    tables: IntervalTables,
    revenue: FloatArray,
    scale: FloatArray,
    orders: IntArray,
    common: FloatArray | None = None,
) -> FloatArray:
    """(N, K, h), each studio taking the own paths in its order."""
    months = revenue.shape[1]
    own, share = tables.own_scale(scale, common)
    errors = tables.own_paths[:, :months][orders] * own[:, None, :]
    factors = np.exp(errors + tables.common_paths[None, :, :months] * share[:, None, :])
    return np.asarray(factors * (revenue / factors.mean(1))[:, None, :])


def _orders(n_paths: int, revenue: FloatArray) -> IntArray:
    """(N, K) an order of the paths for each studio."""
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
    """(K, h) draws of how much more one answer brings than another of the same studio.

    Both live through the same own and common errors, as far as both have them. What a given lever settles is
    uncertain in the answer that leaves it free, and in that one alone. To first order, as differences are
    small beside the revenue.

    Args:
        tables: of the model.
        one: an answer.
        other: what it is compared with.
        response_deviation: (h,) of the difference through the lever responses, currency; it hangs together
            over the months.
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
    """(K,) the draws of `difference_paths`, summed over the months."""
    months = len(one.revenue)
    alone, loads = _alone_order(len(tables.own_paths)), _loads(tables, one, other)
    own, common = tables.own_paths[:, :months] @ loads[::2].T, tables.common_paths[:, :months] @ loads[1::2].T
    more = float((one.revenue - other.revenue).sum())
    responses = _response_draws(len(tables.own_paths)) * response_deviation.sum()
    return np.asarray(more + own[:, 0] + common[:, 0] + own[alone, 1] + common[alone, 1] + responses)


def _loads(tables: IntervalTables, one: Projected, other: Projected) -> FloatArray:
    """(4, h) currency by which a difference moves with own and common errors that both answers have, and with
    own and common ones that one of them has alone.
    """
    free = tables.common_deviation[: len(one.revenue)]
    common = [free if answer.common is None else answer.common for answer in (one, other)]
    (own_a, own_b), (share_a, share_b) = tables.own_scale(
        np.stack([one.scale, other.scale]), np.stack(common)
    )
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
    """(K,) the order in which paths serve as errors of one answer alone."""
    return np.roll(np.arange(n_paths), n_paths // 2)


def _alone(
    revenue_a: FloatArray, scale_a: FloatArray, revenue_b: FloatArray, scale_b: FloatArray
) -> FloatArray:
    """(h,) deviation, currency, that one of two answers has and the other has not."""
    apart = np.sqrt(np.abs(scale_a**2 - scale_b**2))
    return np.asarray(np.where(scale_a > scale_b, revenue_a, revenue_b) * apart)


def difference_interval(
    tables: IntervalTables,
    one: Projected,
    other: Projected,
    response_deviation: FloatArray,
    level: float,
) -> tuple[float, float]:
    """Interval of the difference between two answers' sums, both of one studio; see `difference_paths`."""
    low, high = outer_ends(difference_sums(tables, one, other, response_deviation), level)
    return float(low), float(high)


def outer_ends(draws: FloatArray, level: float) -> FloatArray:
    """(2, ...) both ends of the central interval of (K, ...) draws, each one of the draws, the outer where
    the interval's end lies between two.
    """
    place = int((1 - level) / 2 * len(draws))
    return np.sort(draws, axis=0)[[place, -1 - place]]


def chance_of_more(draws: FloatArray) -> float:
    """Chance that a difference is above 0, ties counting half; (K,) draws."""
    return float(chances_of_more(draws))


def chances_of_more(draws: FloatArray) -> FloatArray:
    """The same of (K, ...) draws of many differences."""
    return np.asarray((draws > 0).mean(0) + 0.5 * (draws == 0).mean(0))


@lru_cache(maxsize=4)
def _response_draws(n_paths: int) -> FloatArray:
    """(K,) normal quantiles in a drawn order."""
    return normal_quantiles(n_paths)[np.random.default_rng(_SEED_JOINT_PATHS).permutation(n_paths)]
