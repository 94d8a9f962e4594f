"""Stock-and-flow simulation of members and revenue month by month, and its sensitivity to levers.

    members' = members x retention + new members
    revenue  = members x ticket x realisation + class packs + retail + upsell + other

A given lever replaces its flow; the other flows respond to it within the simulation. A studio without
members' flows uses its projected level of members, one without members its projected level of revenue. The
inputs are built in `flow_terms`; `scalar_simulation` is the twin for a single studio, and a test compares the
two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from studio_pipeline.forecasting.base.given_levers import HELD_LEVERS
from studio_pipeline.forecasting.core.flow_terms import (
    PUT_IN_PLACE,
    START_LEVER,
    FlowTerms,
    OriginStock,
    flow_terms,
)
from studio_pipeline.forecasting.core.parameters import ClassPlanning
from studio_pipeline.forecasting.responses.regressors import TYPICAL_ATTENDANCE
from studio_pipeline.forecasting.responses.responses import Responses, RowResponses
from studio_pipeline.panel.arrays import FloatArray, ratio
from studio_pipeline.panel.columns import LEVER_COLUMNS, RATE_COLUMNS

LARGEST_EXPONENT = 700.0
"""Largest exponent: beyond it `exp` is infinite in NumPy and raises OverflowError on plain numbers."""

LARGEST_LOG_ODDS = 30.0
LEAST_DENSITY = 1e-9


@dataclass(frozen=True)
class CorePaths:
    """Projections of the core, (N, H) each; members and retention are NaN where the data lack them."""

    revenue: FloatArray
    members: FloatArray
    retention_rate: FloatArray
    new_members: FloatArray
    avg_ticket_price: FloatArray
    attendance_rate: FloatArray


@dataclass(frozen=True)
class Months:
    """Months of N projections: lists with one (N,) array per month."""

    revenue: list[FloatArray]
    members: list[FloatArray]
    retention_rate: list[FloatArray]
    new_members: list[FloatArray]
    attendance_rate: list[FloatArray]


def simulate(
    flows: Mapping[str, FloatArray],
    origin: OriginStock,
    responses: Responses | RowResponses,
    levers: Mapping[str, FloatArray],
    planning: ClassPlanning,
) -> CorePaths:
    """Simulate N projections over H months.

    Args:
        flows: flow name to its (N, H) projection on the flow's scale, without responses.
        responses: responses of the panel, or of the N origins' studios.
    """
    return simulate_terms(flow_terms(flows, origin, responses, planning), levers)


def simulate_terms(terms: FlowTerms, levers: Mapping[str, FloatArray]) -> CorePaths:
    """Simulate the N projections of `terms` over their H months, with levers as in `simulate`."""
    by_month = {name: list(path.T) for name, path in levers.items()}
    paths, start, slopes = terms.by_month()
    months = _run_months(paths, start, slopes, by_month)
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


def _run_months(
    terms: Mapping[str, Sequence[FloatArray]],
    start: Mapping[str, FloatArray],
    slopes: Mapping[str, FloatArray],
    levers: Mapping[str, Sequence[FloatArray]],
) -> Months:
    """Simulate N projections month by month, on arrays of (N,).

    Args:
        terms: path to its value in each month, by the names of `flow_terms.PATHS`.
        start: value by the names of `flow_terms.START`.
        slopes: value by the names of `flow_terms.SLOPES`.
    """
    held_classes = levers.get("total_classes_held")
    terms = _with_levers(terms, levers)
    planned = 0.0 * start["usual_attendance"]
    members, capacity, rate = start["members"], start["class_capacity"], start["attendance_rate"]
    if START_LEVER in levers:
        members = _given(levers[START_LEVER][0], members)
    has_stock = np.isfinite(terms["retention"][0] + terms["acquisition"][0] + members)
    held = [levers.get(name) for name in ("class_attendance_rate", "retention_rate", "new_members_monthly")]
    usual, typical_density = start["usual_attendance"], start["classes_per_member"]
    classes_fullness, visits_classes = slopes["classes_fullness"], slopes["visits_classes"]
    behaviour, per_member = _steady_behaviour(terms, slopes), _per_member(terms)
    months: Months = Months([], [], [], [], [])
    for h, level in enumerate(terms["members"]):
        planned = planned + classes_fullness * np.where(np.isfinite(rate), rate - usual, 0.0)
        classes = terms["classes"][h] * np.exp(planned)
        if held_classes is not None:
            classes = _given(held_classes[h], classes)
        seats = classes * capacity
        visitors = np.where(has_stock, members, level)
        density = ratio(classes, visitors)
        added = np.where(
            np.isfinite(density), np.log(np.maximum(density, LEAST_DENSITY)) - typical_density, 0.0
        )
        visiting = visitors * terms["visits"][h] * np.exp(visits_classes * added)
        attendance = np.where(np.isfinite(seats), np.minimum(visiting, seats), visiting)
        if held[0] is not None:
            rules = np.isfinite(held[0][h]) & np.isfinite(seats)
            attendance = np.where(rules, held[0][h] * seats, attendance)
        rate_now = ratio(attendance, seats)
        retention, new = _behaviour(behaviour[h], (rate, rate_now), slopes)
        if held[1] is not None:
            retention = _given(held[1][h], retention)
        if held[2] is not None:
            new = _given(held[2][h], new)
        members = np.where(has_stock, members * retention + new, level)
        rate = rate_now
        packs = terms["pack_yield"][h] * np.where(np.isfinite(attendance), attendance, members)
        built = members * per_member[h] + packs
        # Without members, revenue is projected by its own level.
        months.revenue.append(np.where(np.isfinite(built), built, terms["revenue"][h]))
        months.members.append(members)
        months.retention_rate.append(np.where(has_stock, retention, np.nan))
        months.new_members.append(np.where(has_stock, new, np.nan))
        months.attendance_rate.append(rate)
    return months


def _given(lever: FloatArray, free: FloatArray) -> FloatArray:
    return np.where(np.isfinite(lever), lever, free)


def _with_levers(
    terms: Mapping[str, Sequence[FloatArray]], levers: Mapping[str, Sequence[FloatArray]]
) -> Mapping[str, Sequence[FloatArray]]:
    """Terms with the paths of `PUT_IN_PLACE` replaced by given levers."""
    placed = {
        path: [_given(lever, free) for lever, free in zip(levers[name], terms[path], strict=True)]
        for name, path in PUT_IN_PLACE.items()
        if name in levers
    }
    if "avg_ticket_price" in levers:
        placed["price_log"] = [
            _given(np.log(np.maximum(price, least)), free)
            for price, least, free in zip(
                levers["avg_ticket_price"], terms["least_price"], terms["price_log"], strict=True
            )
        ]
    return {**terms, **placed} if placed else terms


def _steady_behaviour(
    terms: Mapping[str, Sequence[FloatArray]], slopes: Mapping[str, FloatArray]
) -> list[tuple[FloatArray, FloatArray]]:
    """Log odds of retention and log of new members in each month, without terms that depend on attendance.

    The sum of the level and the responses to the price and to overwork.
    """
    comfortable = slopes["comfortable_utilization"]
    overwork = [np.maximum(rate - comfortable, 0.0) for rate in terms["staff"]]
    by_flow = []
    for flow in ("retention", "acquisition"):
        of_price, of_overwork = slopes[f"{flow}_price"], slopes[f"{flow}_overwork"]
        months = zip(terms[flow], terms["price_log"], overwork, strict=True)
        by_flow.append([level + of_price * price + of_overwork * over for level, price, over in months])
    return list(zip(*by_flow, strict=True))


def _behaviour(
    steady: tuple[FloatArray, FloatArray],
    rates: tuple[FloatArray, FloatArray],
    slopes: Mapping[str, FloatArray],
) -> tuple[FloatArray, FloatArray]:
    """Retention and new members of a month: `_steady_behaviour` plus responses to fullness and crowding.

    `rates` are the attendance rates of the month before and of the month itself.
    """
    before, same = rates
    busy = np.where(np.isfinite(before), before, TYPICAL_ATTENDANCE)
    now = np.where(np.isfinite(same), same, TYPICAL_ATTENDANCE)
    crowd = np.where(slopes["crowds_same_month"] > 0, now, busy)
    crowding = np.maximum(crowd - slopes["comfortable_attendance"], 0.0)
    log_odds = steady[0] + slopes["retention_fullness"] * busy + slopes["retention_crowding"] * crowding
    new_log = steady[1] + slopes["acquisition_fullness"] * busy + slopes["acquisition_crowding"] * crowding
    retention = 1 / (1 + np.exp(-np.minimum(np.maximum(log_odds, -LARGEST_LOG_ODDS), LARGEST_LOG_ODDS)))
    return retention, np.maximum(np.exp(np.minimum(new_log, LARGEST_EXPONENT)) - 0.5, 0.0)


def _per_member(terms: Mapping[str, Sequence[FloatArray]]) -> list[FloatArray]:
    """Revenue per member in each month, without class packs."""
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


def core_targets(paths: CorePaths) -> dict[str, FloatArray]:
    """Target to its (N, H) projection by the core."""
    return {"revenue": paths.revenue, "members": paths.members, "retention": paths.retention_rate}


LARGEST_UNCERTAINTY = 0.5


def execution_effects(
    terms: FlowTerms, levers: Mapping[str, FloatArray], uncertainty: FloatArray
) -> FloatArray:
    """(J, N, H) effect on revenue of carrying out each of J given levers one deviation off, as a share of it.

    The deviation of an amount is `uncertainty` times the amount, that of a rate r is `uncertainty` times
    r (1 - r), the same share of its odds, so that a rate stays within 0..1. A lever's deviation is the same
    in all months, and deviations of different levers are independent. The starting count of members is known
    and has none. The effect is the root mean square of those of one deviation more and one less, because near
    the best price both lower revenue; its sign is that of their difference.

    `uncertainty`: (N,) relative deviation, 0 to 0.5.
    """
    names = [name for name in HELD_LEVERS if name in levers]
    n, horizon_months = terms.stacked.shape[0], terms.stacked.shape[2]
    if not names:
        return np.zeros((0, n, horizon_months))
    copies = 2 * len(names) + 1
    tiled = {name: np.tile(path, (copies, 1, 1)) for name, path in levers.items()}
    for place, name in enumerate(names):
        path = levers[name]
        is_rate = LEVER_COLUMNS[name] in RATE_COLUMNS
        step = uncertainty[:, None] * path * ((1 - path) if is_rate else 1.0)
        tiled[name][place] += step
        tiled[name][len(names) + place] -= step
    repeated = terms.take(np.tile(np.arange(n), copies))
    flat = {name: path.reshape(copies * n, horizon_months) for name, path in tiled.items()}
    revenue = simulate_terms(repeated, flat).revenue.reshape(copies, n, horizon_months)
    more, less, usual = revenue[: len(names)], revenue[len(names) : -1], revenue[-1]
    size = np.sqrt(((more - usual) ** 2 + (less - usual) ** 2) / 2)
    return np.asarray(
        np.copysign(np.divide(size, usual, out=np.zeros_like(more), where=usual > 0), more - less)
    )
