"""How far a plan may move each lever, and what one unit of it costs: the request over the configuration over
the lever's bounds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from studio_pipeline.errors import LeverError
from studio_pipeline.forecasting.bounds import LEVER_BOUNDS, START_LEVER, Range, lever_bounds
from studio_pipeline.forecasting.known_levers import HELD_LEVERS
from studio_pipeline.panel.arrays import FloatArray
from studio_pipeline.planning.levers import CLASSES, DECREASE_LIMITS, INCREASE_LIMITS, NEW, TICKET, WHOLE
from studio_pipeline.planning.plan_configuration import PlanningConfiguration
from studio_pipeline.planning.plan_queries import PlanQuery

_SMALLEST_PRESENT = 1e-6
_NAMES = {**{v: k for k, v in INCREASE_LIMITS.items()}, **{v: k for k, v in DECREASE_LIMITS.items()}}


@dataclass(frozen=True)
class PlanRanges:
    """Between what a plan may choose, in the order of `HELD_LEVERS`.

    Attributes:
        low: (7,) lowest values.
        high: (7,) highest values.
        low_names: what sets them: a limit's name, or "" where nothing but being held does.
        high_names: the same of the highest.
    """

    low: FloatArray
    high: FloatArray
    low_names: tuple[str, ...]
    high_names: tuple[str, ...]


def check_plan_query(query: PlanQuery) -> None:
    """Refuse a target, limits, costs or names that mean nothing.

    Raises:
        LeverError: naming the field.
    """
    if not (math.isfinite(query.target_revenue) and query.target_revenue > 0):
        raise LeverError(
            f"target_revenue is {query.target_revenue:g}, but it is above 0.", "Give the revenue to reach."
        )
    for field, names in (("frozen_levers", query.frozen_levers), ("lever_costs", query.lever_costs)):
        if unknown := sorted(set(names) - set(LEVER_BOUNDS)):
            raise LeverError(
                f"{field}: there is no lever {', '.join(unknown)}.",
                f"The levers are {', '.join(LEVER_BOUNDS)}.",
            )
    if unknown := sorted(set(query.limits) - set(_NAMES)):
        raise LeverError(
            f"constraints: there is no {', '.join(unknown)}.", f"The limits are {', '.join(_NAMES)}."
        )
    amounts = {**query.limits, **{f"lever_costs.{name}": cost for name, cost in query.lever_costs.items()}}
    for name, amount in amounts.items():
        if amount is not None and not (math.isfinite(amount) and amount >= 0):
            raise LeverError(f"{name} is {amount:g}, but it is a number from 0 on.", "Correct it.")


def plan_ranges(
    present: Mapping[str, float],
    query: PlanQuery,
    configuration: PlanningConfiguration,
    shown: Mapping[str, Range],
    held: frozenset[str],
) -> PlanRanges:
    """The ranges of all levers.

    Args:
        present: lever to its present value, of those that the data carry.
        query: for its limits.
        configuration: for the limits that the query leaves out.
        shown: lever to its smallest and largest shown value.
        held: levers that stay at their present.
    """
    low, high = np.zeros((2, len(HELD_LEVERS)))
    low_names, high_names = [], []
    for place, lever in enumerate(HELD_LEVERS):
        now = present.get(lever, 0.0)
        low[place] = high[place] = now
        names = ["", ""]
        if lever in present and lever not in held:
            bounds = lever_bounds(lever, *shown.get(lever, (math.nan, math.nan)))
            most = _stated(INCREASE_LIMITS[lever], place, now, query, configuration)
            least = _stated(DECREASE_LIMITS[lever], place, now, query, configuration)
            low[place], names[0] = max((bounds[0], f"lowest_{lever}"), (now - least, DECREASE_LIMITS[lever]))
            high[place], names[1] = min((bounds[1], f"highest_{lever}"), (now + most, INCREASE_LIMITS[lever]))
        if place in WHOLE:
            low[place], high[place] = min(math.ceil(low[place]), now), max(math.floor(high[place]), now)
        low_names.append(names[0])
        high_names.append(names[1])
    return PlanRanges(low, high, tuple(low_names), tuple(high_names))


def _stated(
    name: str, place: int, now: float, query: PlanQuery, configuration: PlanningConfiguration
) -> float:
    """How far a lever may move one way; infinite where nothing but its bounds says."""
    if name in query.limits:
        amount = query.limits[name]
        return math.inf if amount is None else amount
    amount = getattr(configuration.limits, name)
    if amount is None and place == CLASSES:
        return float(math.floor(configuration.classes_share * now))
    return math.inf if amount is None else float(amount)


def unit_costs(
    present: Mapping[str, float], query: PlanQuery, configuration: PlanningConfiguration
) -> FloatArray:
    """(7,) cost of one more unit of each lever for a month, currency."""
    ticket = present.get("avg_ticket_price", 0.0)
    members = present.get(START_LEVER, 0.0)
    scales = np.full(len(HELD_LEVERS), ticket * members)
    scales[TICKET], scales[NEW], scales[CLASSES] = members, ticket, ticket
    costs = []
    for lever, scale in zip(HELD_LEVERS, scales.tolist(), strict=True):
        absolute = query.lever_costs.get(lever, getattr(configuration.lever_costs, lever))
        costs.append(getattr(configuration.cost_shares, lever) * scale if absolute is None else absolute)
    return np.array(costs)


def relative_weights(present: Mapping[str, float]) -> FloatArray:
    """(7,) weights of the least total relative change."""
    values = np.array([present.get(lever, 1.0) for lever in HELD_LEVERS])
    return np.asarray(1 / np.maximum(np.abs(values), _SMALLEST_PRESENT))
