"""Recommendations: small steps of single levers with a gain in revenue that is clearly above 0.

A step is small enough to take next month. Gains are differences of uncertain forecasts with and without the
step (`planning.scenarios`); the cost of a step is not counted. Plans with targets and costs are in
`planning.inverse`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from studio_pipeline.errors import LeverError
from studio_pipeline.forecasting.base.queries import ForwardQuery
from studio_pipeline.forecasting.forecaster.forecast_uncertainty import UncertainForecast
from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline.forecasting.intervals.joint_simulation import chances_of_more
from studio_pipeline.planning.scenarios import AlignedForecasts, Interval

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
"""Lever to its steps, of which the best one is recommended: 5 % of the price or of the classes, one point of
retention, 10 % of the new members, five points of attendance or utilisation, two points of upsell.
"""


@dataclass(frozen=True)
class Recommendation:
    """One step of one lever, in the lever's own unit."""

    lever: str
    current: float  # present value
    proposed: float
    gain: float  # gain in revenue over the projected months, currency
    gain_interval: Interval
    chance_of_gain: float  # probability that the gain is above 0
    clears_zero: bool  # whether the whole interval of the gain lies above 0
    effect_source: str | None  # of the members' response: "data", "pooled", "prior"; None without a response


def recommend(
    source: Forecaster, query: ForwardQuery, current: Mapping[str, float]
) -> tuple[Recommendation, ...]:
    """Steps added to a query with a gain interval above 0, the largest gain first; one at most for a lever.

    Levers in the query's plan, and those whose present value in `current` is NaN, get no step.
    """
    planned = {lever for step in query.lever_plan for lever in step.levers}
    start = {**current, **query.levers}
    levers = [lever for lever in STEPS if lever not in planned and np.isfinite(start.get(lever, np.nan))]
    best = [found for lever in levers if (found := _best_step(source, query, lever, start[lever]))]
    return tuple(sorted(best, key=lambda step: -step.gain))


def _best_step(source: Forecaster, query: ForwardQuery, lever: str, current: float) -> Recommendation | None:
    held = _held(source, query, lever, current)
    if held is None:
        return None
    months = held.forecast.base_month + np.arange(1, query.projection_months + 1)
    effect = held.forecast.lever_effects.get(lever)
    found = []
    for proposed in (step(current) for step in STEPS[lever]):
        if proposed == current or (stepped := _held(source, query, lever, proposed)) is None:
            continue
        difference = AlignedForecasts(source.interval_tables, (held, stepped), months).difference(1, 0)
        low, high = difference.total_interval(query.interval_levels[0])
        if low > 0:
            gain = (difference.total, (low, high), float(chances_of_more(difference.total_draws)))
            rests_on = None if effect is None else effect.source
            found.append(
                Recommendation(lever, current, proposed, *gain, clears_zero=True, effect_source=rests_on)
            )
    return max(found, key=lambda step: step.gain, default=None)


def _held(source: Forecaster, query: ForwardQuery, lever: str, value: float) -> UncertainForecast | None:
    """The forecast with a lever held at a value; None if the lever can't be given."""
    try:
        (uncertain,) = source.outlooks([replace(query, levers={**query.levers, lever: value})])
    except LeverError:
        return None
    return uncertain
