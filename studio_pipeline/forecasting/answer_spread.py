"""How uncertain one answer is: deviations of its months and of their sum, under the levers that were given.

Narrower than with every lever free, by the levers that are given, and wider again by how far outside the
shown range they lie. Levers that are carried out inexactly add some. All on plain numbers: twelve months are
too few for arrays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from studio_pipeline.forecasting.answer_parts import AnswerParts
from studio_pipeline.forecasting.given_months import MOST_SETS, FirstMonths, marked_paths
from studio_pipeline.forecasting.intervals import SMALLEST_DEVIATION, IntervalTables
from studio_pipeline.forecasting.lever_shares import widening_outside

_SMALLEST_VARIANCE = SMALLEST_DEVIATION**2


class Spread(NamedTuple):
    """How uncertain an answer over h months is.

    Attributes:
        exact: (h,) deviations of the months' log errors, given levers carried out exactly.
        common: (h,) their common part.
        month: (h,) deviations with levers carried out as they are.
        total_execution: what carrying them out inexactly moves the total by, currency.
        total: deviation of the total for `IntervalTables`: the mean of the months' as they count in it.
    """

    exact: list[float]
    common: list[float]
    month: list[float]
    total_execution: float
    total: float


Left = Sequence[tuple[float, float, float]]
"""In each month, what levers leave: a share of the own variance, and variance and deviation of the common
error."""


class Spreads:
    """Spreads under one model.

    Args:
        tables: of the model.
    """

    def __init__(self, tables: IntervalTables) -> None:
        self._tables = tables
        self._common_variance: list[float] = tables.common_variance.tolist()
        self._common: list[float] = tables.common_deviation.tolist()
        self._total_deviation: list[float] = tables.total_deviation.tolist()
        self._of_sums = [
            list(zip(*(part.tolist() for part in parts), strict=True)) for parts in tables.levers.of_sums
        ]
        self._left_since: Callable[[FirstMonths], Left] = lru_cache(MOST_SETS)(self._left)

    def of(self, parts: AnswerParts) -> Spread:
        """The spread of an answer."""
        months = parts.query.projection_months
        exact, common, total = self._deviations(parts, months)
        if parts.execution is None:
            return Spread(exact, common, exact, 0.0, total)
        return self._carried_out(parts, Spread(exact, common, exact, 0.0, total))

    def _deviations(self, parts: AnswerParts, months: int) -> tuple[list[float], list[float], float]:
        """Of the months, of their common part, and of the total."""
        if parts.known.history_months and parts.levers:
            return self._under_levers(parts, months)
        exact, common = list(parts.scale[:months]), self._common[:months]
        if parts.levers:
            # Of a studio without history all levers are given, and still little is known.
            wider = widening_outside(parts.levers, parts.known.shown)
            exact = [scale * by for scale, by in zip(exact, wider, strict=False)]
            common = [scale * by for scale, by in zip(common, wider, strict=False)]
        return exact, common, sum(exact) / months

    def _under_levers(self, parts: AnswerParts, months: int) -> tuple[list[float], list[float], float]:
        """Months before the first given lever stay as they are.

        In the sum, what levers leave in doubt hangs together less over the months than what they take away.
        """
        wider = widening_outside(parts.levers, parts.known.shown)
        exact, common, total = [], [], 0.0
        for free, market_before, (own, market, market_deviation), by, (floor, summed, slope) in zip(
            parts.scale,
            self._common_variance,
            self._left_since(parts.first),
            wider,
            self._of_sums[months - 1],
            strict=False,
        ):
            own_before = free * free - market_before
            month = math.sqrt(max(own_before, 0.0) * own + market) * by
            shared = market_deviation * by
            exact.append(month)
            common.append(shared)
            of_common, before = shared * shared, max(own_before, _SMALLEST_VARIANCE)
            left = (month * month - of_common) / before
            total += math.sqrt(max(of_common + before * (summed + (left - floor) * slope), 0.0))
        return exact, common, total / months

    def _left(self, first: FirstMonths) -> Left:
        own, common = self._tables.levers.left(
            {name: path[None] for name, path in marked_paths(first).items()}
        )
        market = self._tables.common_variance * common[0]
        columns = own[0], market, np.sqrt(market)
        return list(zip(*(column.tolist() for column in columns), strict=True))

    def _carried_out(self, parts: AnswerParts, exactly: Spread) -> Spread:
        """With levers carried out inexactly, in quadrature. They are off alike in all months, so they add
        more to the total than errors do.
        """
        months = len(exactly.exact)
        assert parts.execution is not None  # noqa: S101
        revenue, effects = parts.given_arrays()[0], parts.execution[:, :months]
        month = np.hypot(exactly.exact, np.sqrt((effects**2).sum(0)))
        moved = float(np.sqrt(((effects * revenue).sum(1) ** 2).sum()))
        total = float(revenue.sum())
        added = moved / total / self._total_deviation[months - 1] if total > 0 else 0.0
        return exactly._replace(
            month=month.tolist(), total_execution=moved, total=math.hypot(exactly.total, added)
        )
