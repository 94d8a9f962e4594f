"""Recommendations: what one step of one lever would bring.

A step is small enough for a studio to take next month. What it costs is not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from studio_pipeline.errors import LeverError
from studio_pipeline.forecasting.base.queries import ForwardQuery
from studio_pipeline.forecasting.forecaster.forecast_uncertainty import UncertainForecast
from studio_pipeline.forecasting.intervals.interval_tables import IntervalTables
from studio_pipeline.forecasting.intervals.joint_simulation import chance_of_more
from studio_pipeline.planning.scenarios.differences import AlignedForecasts, Interval, UncertainForecastSource

Step = Callable[[float], float]

STEPS: Mapping[str, tuple[Step, ...]] = {
    "avg_ticket_price": (lambda price: 1.05 * price, lambda price: 0.95 * price),
    "retention_rate": (lambda rate: min(rate + 0.01, 1.0),),
    "new_members_monthly": (lambda members: members + max(1.0, round(0.1 * members)),),
    "class_attendance_rate": (lambda rate: min(rate + 0.05, 1.0), lambda rate: max(rate - 0.05, 0.0)),
    "total_classes_held": (lambda n: n + max(1.0, round(0.05 * n)), lambda n: n - max(1.0, round(0.05 * n))),
    "staff_utilization_rate": (lambda rate: min(rate + 0.05, 1.0), lambda rate: max(rate - 0.05, 0.0)),
    "upsell_rate": (lambda rate: min(rate + 0.02, 1.0),),
}
"""Steps of each lever, of which the best one counts: a twentieth of a price or of the classes, a point of
retention, a tenth of the new members, five points of attendance or utilisation, two points of upsell.
"""


@dataclass(frozen=True)
class Recommendation:
    """One step of one lever.

    Attributes:
        lever: of the eight.
        current: where it is now, in its own unit.
        proposed: one step on.
        gain: what the step brings over the projected months, currency.
        gain_interval: of the gain.
        chance_of_gain: that the step brings more than nothing.
        clears_zero: whether the whole interval of the gain lies above 0.
        effect_source: what the members' response rests on ("data", "pooled", "prior"); None where none is
            known of the lever.
    """

    lever: str
    current: float
    proposed: float
    gain: float
    gain_interval: Interval
    chance_of_gain: float
    clears_zero: bool
    effect_source: str | None


def recommend(
    source: UncertainForecastSource, query: ForwardQuery, current: Mapping[str, float]
) -> tuple[Recommendation, ...]:
    """The steps whose gain is clear of 0, the largest first; levers that the data don't carry are left out.

    Args:
        source: a forecaster.
        query: what the steps are added to; levers in its plan are left as planned.
        current: lever to where it is now; NaN where unknown.
    """
    planned = {lever for step in query.lever_plan for lever in step.levers}
    start = {**current, **query.levers}
    levers = [lever for lever in STEPS if lever not in planned and np.isfinite(start.get(lever, np.nan))]
    best = [found for lever in levers if (found := _best_step(source, query, lever, start[lever]))]
    return tuple(sorted(best, key=lambda step: -step.gain))


def _best_step(
    source: UncertainForecastSource, query: ForwardQuery, lever: str, current: float
) -> Recommendation | None:
    held = _held(source, query, lever, current)
    if held is None:
        return None
    proposed = [value for step in STEPS[lever] if (value := step(current)) != current]
    steps = [
        _recommendation(source.interval_tables, lever, (current, value), held, outlook, query)
        for value in proposed
        if (outlook := _held(source, query, lever, value)) is not None
    ]
    return max((step for step in steps if step.clears_zero), key=lambda step: step.gain, default=None)


def _held(
    source: UncertainForecastSource, query: ForwardQuery, lever: str, value: float
) -> UncertainForecast | None:
    """The outlook with a lever held; None where it can't be."""
    try:
        (outlook,) = source.outlooks([replace(query, levers={**query.levers, lever: value})])
    except LeverError:
        return None
    return outlook


def _recommendation(
    tables: IntervalTables,
    lever: str,
    values: tuple[float, float],
    held: UncertainForecast,
    stepped: UncertainForecast,
    query: ForwardQuery,
) -> Recommendation:
    months = held.forecast.base_month + np.arange(1, query.projection_months + 1)
    difference = AlignedForecasts(tables, (held, stepped), months).difference(1, 0)
    low, high = difference.total_interval(query.interval_levels[0])
    effect = held.forecast.lever_effects.get(lever)
    return Recommendation(
        lever,
        *values,
        difference.total,
        (low, high),
        chance_of_more(difference.total_draws),
        low > 0,
        None if effect is None else effect.source,
    )
