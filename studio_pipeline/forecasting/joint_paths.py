"""Joint draws of what may happen: sums over months and studios, and differences between answers.

Every draw is one path of own errors, scaled by the studio, and one of the common error, which all studios
share. The same paths serve every question (common random numbers), so that what hits two answers of one
studio alike doesn't blur their difference, and an answer asked twice is the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from studio_pipeline.forecasting.intervals import IntervalTables
from studio_pipeline.forecasting.residual_paths import normal_quantiles
from studio_pipeline.panel.arrays import FloatArray, IntArray

_SEED = 20_200_229
_STUDIOS_AT_ONCE = 256


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


def _paths(tables: IntervalTables, revenue: FloatArray, scale: FloatArray, orders: IntArray) -> FloatArray:
    """(N, K, h), each studio taking the own paths in its order."""
    months = revenue.shape[1]
    own, share = tables.own_scale(scale)
    errors = tables.own_paths[:, :months][orders] * own[:, None, :]
    factors = np.exp(errors + tables.common_paths[None, :, :months] * share[:, None, :])
    return np.asarray(factors * (revenue / factors.mean(1))[:, None, :])


def _orders(n_paths: int, revenue: FloatArray) -> IntArray:
    """(N, K) an order of the paths for each studio."""
    orders = np.empty((len(revenue), n_paths), dtype=np.int64)
    drawn = np.random.default_rng(_SEED).random((len(revenue), n_paths), dtype=np.float32)
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
    draws = np.sort(difference_sums(tables, one, other, response_deviation))
    place = (1 - level) / 2 * len(draws)
    return float(draws[int(place)]), float(draws[-1 - int(place)])


def chance_of_more(draws: FloatArray) -> float:
    """Chance that a difference is above 0, ties counting half; (K,) draws."""
    return float((draws > 0).mean() + 0.5 * (draws == 0).mean())


@lru_cache(maxsize=4)
def _response_draws(n_paths: int) -> FloatArray:
    """(K,) normal quantiles in a drawn order."""
    return normal_quantiles(n_paths)[np.random.default_rng(_SEED).permutation(n_paths)]
