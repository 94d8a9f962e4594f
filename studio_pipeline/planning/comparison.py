"""Scenarios side by side, month by month: what each brings, by how much they differ, and which one wins how
often.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from studio_pipeline.forecasting.outlooks import Outlook
from studio_pipeline.forecasting.queries import ForwardQuery
from studio_pipeline.panel.arrays import FloatArray

FEWEST_SCENARIOS, MOST_SCENARIOS = 2, 10

Interval = tuple[float, float]


class OutlookSource(Protocol):
    """What a comparison needs of a forecaster."""

    def outlooks(self, queries: Sequence[ForwardQuery]) -> Sequence[Outlook]:
        """One outlook a query, in order."""


@dataclass(frozen=True)
class ScenarioOutcome:
    """One of the scenarios over the M months that all of them share.

    Attributes:
        studio_id: of the studio.
        base_month: its last known month, datetime64[M].
        revenue: (M,) mean of the predictive distribution, currency.
        interval: (M, 2) of the revenue.
        member_count: (M,) members at each month's end; NaN for a studio whose data carry none.
        total_revenue: over the M months, currency.
        total_interval: of the total.
        difference: (M,) revenue less that of the first scenario.
        difference_interval: (M, 2) of the difference.
        total_difference: over the M months, currency.
        total_difference_interval: of that.
        warnings: of its forecast, for people.
    """

    studio_id: str
    base_month: np.datetime64
    revenue: FloatArray
    interval: FloatArray
    member_count: FloatArray
    total_revenue: float
    total_interval: Interval
    difference: FloatArray
    difference_interval: FloatArray
    total_difference: float
    total_difference_interval: Interval
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """N scenarios over the M calendar months that all of them project.

    Attributes:
        months: (M,) datetime64[M].
        level: of all intervals, 0..1.
        scenarios: in the order asked for; differences are to the first one.
        chance_ahead: (N, N) chance that the total of the row's scenario is above that of the column's, ties
            counting half; 0.5 on the diagonal.
        month_chance_ahead: (M, N, N) the same of each month.
    """

    months: NDArray[np.datetime64]
    level: float
    scenarios: tuple[ScenarioOutcome, ...]
    chance_ahead: FloatArray
    month_chance_ahead: FloatArray


def compare_forecasts(
    forecaster: OutlookSource, queries: Sequence[ForwardQuery], level: float = 0.9
) -> Comparison:
    """Compares 2 to 10 forward queries, of the same or of different studios and base months.

    Raises:
        QueryError: too few or too many queries, one of them can't be answered, or they share no month.
    """
    raise NotImplementedError
