"""Members and money month by month: the arithmetic that always adds up, with responses inside.

    members' = members x retention + new members
    revenue  = members x ticket x realisation + class packs + retail + upsell + other

A given lever takes the place of its flow; the others respond to it. A studio without members' flows falls
back to its level of members, one without members to its level of revenue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic

import numpy as np

from studio_pipeline.forecasting.arithmetic import ARRAYS, LARGEST_EXPONENT, Arithmetic, Number
from studio_pipeline.forecasting.class_planning import ClassPlanning
from studio_pipeline.forecasting.flow_terms import (
    PUT_IN_PLACE,
    START_LEVER,
    FlowTerms,
    OriginStock,
    flow_terms,
)
from studio_pipeline.forecasting.response_regressors import TYPICAL_ATTENDANCE
from studio_pipeline.forecasting.responses import Responses, RowResponses
from studio_pipeline.panel.arrays import FloatArray

_LEAST_DENSITY = 1e-9


@dataclass(frozen=True)
class CorePaths:
    """What the core projects: (N, H) each; members and retention are NaN where the data carry none."""

    revenue: FloatArray
    members: FloatArray
    retention_rate: FloatArray
    new_members: FloatArray
    avg_ticket_price: FloatArray
    attendance_rate: FloatArray


@dataclass(frozen=True)
class Months(Generic[Number]):
    """The months of one projection, or of many: one entry a month."""

    revenue: list[Number]
    members: list[Number]
    retention_rate: list[Number]
    new_members: list[Number]
    attendance_rate: list[Number]


def simulate(
    flows: Mapping[str, FloatArray],
    origin: OriginStock,
    responses: Responses | RowResponses,
    levers: Mapping[str, FloatArray],
    planning: ClassPlanning,
) -> CorePaths:
    """Runs N projections over H months.

    Args:
        flows: flow name to its (N, H) projection on the flow's scale, responses not yet added.
        origin: the starting stocks.
        responses: of the panel, or of the N origins' studios.
        levers: lever name to (N, H) given values, NaN where free; a lever that is not there is free.
        planning: of classes.
    """
    return simulate_terms(flow_terms(flows, origin, responses, planning), levers)


def simulate_terms(terms: FlowTerms, levers: Mapping[str, FloatArray]) -> CorePaths:
    """Runs the N projections of prepared terms over their H months, with levers as for `simulate`."""
    by_month = {name: list(path.T) for name, path in levers.items()}
    paths, start, slopes = terms.by_month()
    months = run_months(ARRAYS, paths, start, slopes, by_month)
    ticket = terms.paths["ticket"]
    if (given := levers.get("avg_ticket_price")) is not None:
        ticket = np.where(np.isfinite(given), given, ticket)
    return CorePaths(
        np.stack(months.revenue, 1),
        np.stack(months.members, 1),
        np.stack(months.retention_rate, 1),
        np.stack(months.new_members, 1),
        ticket,
        np.stack(months.attendance_rate, 1),
    )


def run_months(
    a: Arithmetic[Number],
    terms: Mapping[str, Sequence[Number]],
    start: Mapping[str, Number],
    slopes: Mapping[str, Number],
    levers: Mapping[str, Sequence[Number]],
) -> Months[Number]:
    """Runs one projection on plain numbers, or N on arrays of (N,), month after month.

    Args:
        a: the arithmetic of the numbers.
        terms: path to its value in each month, by the names of `flow_terms.PATHS`.
        start: value by the names of `flow_terms.START`.
        slopes: value by the names of `flow_terms.SLOPES`.
        levers: lever to its value in each month, NaN where free; a lever that is not there is free.
    """
    held_classes = levers.get("total_classes_held")
    terms = _with_levers(a, terms, levers)
    planned = 0.0 * start["usual_attendance"]
    members, capacity, rate = start["members"], start["class_capacity"], start["attendance_rate"]
    if START_LEVER in levers:
        members = _given(a, levers[START_LEVER][0], members)
    has_stock = a.known(terms["retention"][0] + terms["acquisition"][0] + members)
    held = [levers.get(name) for name in ("class_attendance_rate", "retention_rate", "new_members_monthly")]
    usual, typical_density = start["usual_attendance"], start["classes_per_member"]
    classes_fullness, visits_classes = slopes["classes_fullness"], slopes["visits_classes"]
    behaviour, per_member = _steady_behaviour(a, terms, slopes), _per_member(terms)
    months: Months[Number] = Months([], [], [], [], [])
    for h, level in enumerate(terms["members"]):
        planned = planned + classes_fullness * a.choose(a.known(rate), rate - usual, 0.0)
        classes = terms["classes"][h] * a.exp(planned)
        if held_classes is not None:
            classes = _given(a, held_classes[h], classes)
        seats = classes * capacity
        visitors = a.choose(has_stock, members, level)
        density = a.ratio(classes, visitors)
        added = a.choose(a.known(density), a.log(a.maximum(density, _LEAST_DENSITY)) - typical_density, 0.0)
        visiting = visitors * terms["visits"][h] * a.exp(visits_classes * added)
        attendance = a.choose(a.known(seats), a.minimum(visiting, seats), visiting)
        if held[0] is not None:
            rules = a.known(held[0][h]) & a.known(seats)
            attendance = a.choose(rules, held[0][h] * seats, attendance)
        rate_now = a.ratio(attendance, seats)
        retention, new = _behaviour(a, behaviour[h], (rate, rate_now), slopes)
        if held[1] is not None:
            retention = _given(a, held[1][h], retention)
        if held[2] is not None:
            new = _given(a, held[2][h], new)
        members = a.choose(has_stock, members * retention + new, level)
        rate = rate_now
        packs = terms["pack_yield"][h] * a.choose(a.known(attendance), attendance, members)
        built = members * per_member[h] + packs
        # Where there are no members, the level of revenue itself.
        months.revenue.append(a.choose(a.known(built), built, terms["revenue"][h]))
        months.members.append(members)
        months.retention_rate.append(a.choose(has_stock, retention, np.nan))
        months.new_members.append(a.choose(has_stock, new, np.nan))
        months.attendance_rate.append(rate)
    return months


def _given(a: Arithmetic[Number], lever: Number, free: Number) -> Number:
    return a.choose(a.known(lever), lever, free)


def _with_levers(
    a: Arithmetic[Number], terms: Mapping[str, Sequence[Number]], levers: Mapping[str, Sequence[Number]]
) -> Mapping[str, Sequence[Number]]:
    """The terms with those levers put in their place to which nothing has to respond first."""
    placed = {
        path: [_given(a, lever, free) for lever, free in zip(levers[name], terms[path], strict=True)]
        for name, path in PUT_IN_PLACE.items()
        if name in levers
    }
    if "avg_ticket_price" in levers:
        placed["price_log"] = [
            _given(a, a.log(a.maximum(price, least)), free)
            for price, least, free in zip(
                levers["avg_ticket_price"], terms["least_price"], terms["price_log"], strict=True
            )
        ]
    return {**terms, **placed} if placed else terms


def _steady_behaviour(
    a: Arithmetic[Number], terms: Mapping[str, Sequence[Number]], slopes: Mapping[str, Number]
) -> list[tuple[Number, Number]]:
    """Of each month, log odds of retention and log of new members as far as they don't hang on attendance:
    their own level, and how they respond to the price and to overwork.
    """
    comfortable = slopes["comfortable_utilization"]
    overwork = [a.maximum(rate - comfortable, 0.0) for rate in terms["staff"]]
    by_flow = []
    for flow in ("retention", "acquisition"):
        of_price, of_overwork = slopes[f"{flow}_price"], slopes[f"{flow}_overwork"]
        months = zip(terms[flow], terms["price_log"], overwork, strict=True)
        by_flow.append([level + of_price * price + of_overwork * over for level, price, over in months])
    return list(zip(*by_flow, strict=True))


def _behaviour(
    a: Arithmetic[Number],
    steady: tuple[Number, Number],
    rates: tuple[Number, Number],
    slopes: Mapping[str, Number],
) -> tuple[Number, Number]:
    """Retention and new members of one month, of `_steady_behaviour`, as they respond to full and crowded
    classes; `rates` are the attendance of the month before and of the month itself.
    """
    before, same = rates
    busy = a.choose(a.known(before), before, TYPICAL_ATTENDANCE)
    now = a.choose(a.known(same), same, TYPICAL_ATTENDANCE)
    crowd = a.choose(slopes["crowds_same_month"] > 0, now, busy)
    crowding = a.maximum(crowd - slopes["comfortable_attendance"], 0.0)
    log_odds = steady[0] + slopes["retention_fullness"] * busy + slopes["retention_crowding"] * crowding
    new_log = steady[1] + slopes["acquisition_fullness"] * busy + slopes["acquisition_crowding"] * crowding
    retention = 1 / (1 + a.exp(-a.minimum(a.maximum(log_odds, -30.0), 30.0)))
    return retention, a.maximum(a.exp(a.minimum(new_log, LARGEST_EXPONENT)) - 0.5, 0.0)


def _per_member(terms: Mapping[str, Sequence[Number]]) -> list[Number]:
    """What one member pays in each month, class packs aside."""
    months = zip(
        terms["ticket"],
        terms["realisation"],
        terms["retail_yield"],
        terms["upsell_yield"],
        terms["upsell_rate"],
        terms["other_yield"],
        strict=True,
    )
    return [
        ticket * realisation + retail + upsell * upsell_rate + other
        for ticket, realisation, retail, upsell, upsell_rate, other in months
    ]
