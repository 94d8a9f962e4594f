"""Comparison of two to ten scenarios over the calendar months that all of them project.

It holds the months, totals, differences to the first scenario, and probabilities of being ahead; draws of
differences come from `differences`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from studio_pipeline.errors import QueryError
from studio_pipeline.forecasting.base.queries import ForwardQuery
from studio_pipeline.forecasting.intervals.joint_simulation import chance_of_more, chances_of_more
from studio_pipeline.panel.arrays import FloatArray
from studio_pipeline.planning.forecaster import PlanningForecaster
from studio_pipeline.planning.scenarios.differences import AlignedForecasts, Interval

FEWEST_SCENARIOS, MOST_SCENARIOS = 2, 10


@dataclass(frozen=True)
class ScenarioOutcome:
    """One scenario over the M months that all scenarios share.

    Attributes:
        studio_id: of the studio.
        base_month: its last known month, datetime64[M].
        revenue: (M,) mean of the predictive distribution, currency.
        interval: (M, 2) of the revenue.
        member_count: (M,) members at each month's end; NaN if the studio's data have none.
        total_revenue: over the M months, currency.
        total_interval: of the total.
        difference: (M,) revenue minus that of the first scenario, currency.
        difference_interval: (M, 2) of the difference.
        total_difference: over the M months, currency.
        total_difference_interval: of the total difference.
        warnings: of its forecast, as sentences.
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
        level: coverage of all intervals, 0..1.
        scenarios: in the order of the queries; differences are to the first one.
        chance_ahead: (N, N) probability that the total of the row's scenario exceeds that of the column's,
            ties counting half; 0.5 on the diagonal.
        month_chance_ahead: (M, N, N) the same of each month.
    """

    months: NDArray[np.datetime64]
    level: float
    scenarios: tuple[ScenarioOutcome, ...]
    chance_ahead: FloatArray
    month_chance_ahead: FloatArray


def compare_forecasts(
    forecaster: PlanningForecaster, queries: Sequence[ForwardQuery], level: float = 0.9
) -> Comparison:
    """Compares 2 to 10 forward queries, of the same or of different studios and base months.

    Args:
        forecaster: of the model version and panel.
        queries: the scenarios, the reference first.
        level: coverage of all intervals, 0 < level < 1.

    Raises:
        QueryError: too few or too many queries, one of them can't be answered, or they share no month.
    """
    if not FEWEST_SCENARIOS <= len(queries) <= MOST_SCENARIOS:
        raise QueryError(
            f"{len(queries)} scenarios can't be compared.",
            f"Name {FEWEST_SCENARIOS} to {MOST_SCENARIOS} of them.",
        )
    asked = [replace(query, interval_levels=(level,)) for query in queries]
    bases = [uncertain.forecast.base_month for uncertain in forecaster.outlooks(asked)]
    months = _shared_months(bases, asked)
    ends = [int((months[-1] - base).astype(int)) for base in bases]
    forecasts = forecaster.outlooks([_until(query, end) for query, end in zip(asked, ends, strict=True)])
    aligned = AlignedForecasts(forecaster.interval_tables, forecasts, months)
    outcomes = tuple(_outcome(aligned, place, level) for place in range(len(forecasts)))
    return Comparison(months, level, outcomes, *_chances(aligned))


def _shared_months(bases: Sequence[np.datetime64], queries: Sequence[ForwardQuery]) -> NDArray[np.datetime64]:
    """(M,) months that all queries project.

    Raises:
        QueryError: there is no such month.
    """
    spans = [(base + 1, base + query.projection_months) for base, query in zip(bases, queries, strict=True)]
    first, last = max(start for start, _ in spans), min(end for _, end in spans)
    if last < first:
        projected = ", ".join(f"{start}-01 to {end}-01" for start, end in spans)
        raise QueryError(
            f"These scenarios share no month: they project {projected}.",
            "Compare scenarios of nearby base months, or project more months.",
        )
    return np.asarray(np.arange(first, last + 1))


def _until(query: ForwardQuery, projection_months: int) -> ForwardQuery:
    """A query over fewer months, without the steps of its plan after these."""
    steps = tuple(step for step in query.lever_plan if step.from_month <= projection_months)
    return replace(query, projection_months=projection_months, lever_plan=steps)


def _outcome(aligned: AlignedForecasts, place: int, level: float) -> ScenarioOutcome:
    forecast, inside = aligned.forecasts[place].forecast, aligned.inside(place)
    difference = aligned.difference(place, 0)
    revenue = forecast.revenue[inside]
    return ScenarioOutcome(
        studio_id=forecast.studio_id,
        base_month=forecast.base_month,
        revenue=revenue,
        interval=forecast.intervals[level][inside],
        member_count=forecast.member_count[inside],
        total_revenue=float(revenue.sum()),
        total_interval=aligned.total_interval(place, level),
        difference=difference.mean,
        difference_interval=difference.interval(level),
        total_difference=difference.total,
        total_difference_interval=difference.total_interval(level),
        warnings=forecast.warnings,
    )


def _chances(aligned: AlignedForecasts) -> tuple[FloatArray, FloatArray]:
    """Probabilities of being ahead: (N, N) of the total and (M, N, N) of each month."""
    n = len(aligned.forecasts)
    total, by_month = np.full((n, n), 0.5), np.full((len(aligned.months), n, n), 0.5)
    for one, other in combinations(range(n), 2):
        difference = aligned.difference(one, other)
        total[one, other] = chance_of_more(difference.total_draws)
        by_month[:, one, other] = chances_of_more(difference.draws)
        total[other, one] = 1 - total[one, other]
        by_month[:, other, one] = 1 - by_month[:, one, other]
    return total, by_month
