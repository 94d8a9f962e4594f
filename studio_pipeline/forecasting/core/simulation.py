"""Stock-and-flow simulation of members and revenue month by month, and its sensitivity to levers.

    members' = members x retention + new members
    revenue  = members x ticket x realisation + class packs + retail + upsell + other

A given lever replaces its flow; the other flows respond to it within the simulation. A studio without
members' flows uses its projected level of members, one without members its projected level of revenue. The
inputs are built in `flow_terms`; `scalar_simulation` is the twin for a single studio, and a test compares the
two.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from studio_pipeline.forecasting.base.bounds import LEVER_BOUNDS, START_LEVER
from studio_pipeline.forecasting.base.flows import new_members, sigmoid
from studio_pipeline.forecasting.base.given_levers import HELD_LEVERS
from studio_pipeline.forecasting.core.flow_terms import PUT_IN_PLACE, REGRESSORS, FlowTerms
from studio_pipeline.forecasting.responses.regressors import (
    RESPONDING,
    burden,
    known_attendance,
    known_log,
    response,
)
from studio_pipeline.panel.arrays import FloatArray, ratio

HELD = ("total_classes_held", "class_attendance_rate", "retention_rate", "new_members_monthly")
"""Levers that replace a value of the simulation in each month."""

LEAST_DENSITY = 1e-9
STAFF_PERSISTENCE = 0.85
"""Share of the added work an hour that is left after a month: studios hire for a fuller timetable."""


@dataclass(frozen=True)
class CorePaths:
    """Projections of the core, (N, H) each; members and retention are NaN where the data lack them."""

    revenue: FloatArray
    members: FloatArray
    retention_rate: FloatArray
    new_members: FloatArray
    avg_ticket_price: FloatArray
    attendance_rate: FloatArray


def simulate_terms(terms: FlowTerms, levers: Mapping[str, FloatArray]) -> CorePaths:
    """Simulate the N projections of `terms` over their H months. `levers`: lever to (N, H) given values, NaN
    where free; a missing lever is free.
    """
    by_month = {name: list(path.T) for name, path in levers.items()}
    months = _run_months(*terms.by_month(), by_month)
    revenue, members, retention, new, rate = (np.stack(path, 1) for path in zip(*months, strict=True))
    ticket = terms.paths["ticket"]
    if (given := levers.get("avg_ticket_price")) is not None:
        ticket = _given(given, ticket)
    return CorePaths(revenue, members, retention, new, ticket, rate)


def _run_months(
    terms: Mapping[str, Sequence[FloatArray]],
    start: Mapping[str, FloatArray],
    slopes: Mapping[str, FloatArray],
    levers: Mapping[str, Sequence[FloatArray]],
) -> Iterator[tuple[FloatArray, ...]]:
    """Revenue, members, retention, new members and attendance rate of each month, (N,) each, from
    `FlowTerms.by_month` and the levers' given values by month, NaN where free.
    """
    terms = _with_levers(terms, levers, slopes["utilization_classes"])
    planned = np.zeros_like(start["usual_attendance"])
    members, capacity, rate = start["members"], start["class_capacity"], start["attendance_rate"]
    if START_LEVER in levers:
        members = _given(levers[START_LEVER][0], members)
    has_stock = np.isfinite(terms["retention"][0] + terms["acquisition"][0] + members)
    held_classes, held_rate, held_retention, held_new = (levers.get(name) for name in HELD)
    of_retention, of_acquisition = (
        {name: slopes[f"{flow}_{name}"] for name in REGRESSORS} for flow in RESPONDING
    )
    comfortable, same_month = slopes["comfortable_attendance"], slopes["crowds_same_month"] > 0
    usual, busy = start["usual_attendance"], known_attendance(rate)
    for h, level in enumerate(terms["members"]):
        planned = planned + slopes["classes_fullness"] * np.where(np.isfinite(rate), rate - usual, 0.0)
        classes = terms["classes"][h] * np.exp(planned)
        if held_classes is not None:
            classes = _given(held_classes[h], classes)
        seats = classes * capacity
        visitors = np.where(has_stock, members, level)
        density = ratio(classes, visitors)
        added = np.log(np.maximum(density, LEAST_DENSITY)) - start["classes_per_member"]
        added = np.where(np.isfinite(density), added, 0.0)
        visiting = visitors * terms["visits"][h] * np.exp(slopes["visits_classes"] * added)
        attendance = np.where(np.isfinite(seats), np.minimum(visiting, seats), visiting)
        if held_rate is not None:
            rules = np.isfinite(held_rate[h]) & np.isfinite(seats)
            attendance = np.where(rules, held_rate[h] * seats, attendance)
        rate = ratio(attendance, seats)
        before, busy = busy, known_attendance(rate)
        crowded = burden(np.where(same_month, busy, before), comfortable)
        worked = burden(terms["staff"][h], slopes["comfortable_utilization"])
        moved = {"price": terms["price_log"][h], "overwork": worked, "fullness": before, "crowding": crowded}
        retention = sigmoid(response(terms["retention"][h], of_retention, moved))
        new = new_members(response(terms["acquisition"][h], of_acquisition, moved))
        if held_retention is not None:
            retention = _given(held_retention[h], retention)
        if held_new is not None:
            new = _given(held_new[h], new)
        members = np.where(has_stock, members * retention + new, level)
        per_member = terms["ticket"][h] * terms["realisation"][h] + terms["retail_yield"][h]
        per_member = per_member + terms["upsell_yield"][h] * terms["upsell_rate"][h] + terms["other_yield"][h]
        packs = terms["pack_yield"][h] * np.where(np.isfinite(attendance), attendance, members)
        built = members * per_member + packs
        # Without members, revenue is projected by its own level.
        revenue = np.where(np.isfinite(built), built, terms["revenue"][h])
        shown = np.where(has_stock, retention, np.nan), np.where(has_stock, new, np.nan)
        yield revenue, members, *shown, rate


def _given(lever: FloatArray, free: FloatArray) -> FloatArray:
    return np.where(np.isfinite(lever), lever, free)


def _with_levers(
    terms: Mapping[str, Sequence[FloatArray]],
    levers: Mapping[str, Sequence[FloatArray]],
    workload: FloatArray,
) -> Mapping[str, Sequence[FloatArray]]:
    """Paths with given levers in their place, and staff utilisation under given classes.

    `workload`: (N,) response of the log of staff utilisation to the log of classes.
    """
    if "total_classes_held" in levers:
        extra, before, staff = np.zeros_like(workload), np.zeros_like(workload), []
        for usual, free, given in zip(
            terms["staff"], terms["classes"], levers["total_classes_held"], strict=True
        ):
            # Classes that are free or unknown add no work.
            added = np.nan_to_num(known_log(given, free))
            extra = STAFF_PERSISTENCE * extra + workload * (added - before)
            before = added
            staff.append(np.minimum(usual * np.exp(extra), 1.0))
        terms = {**terms, "staff": staff}
    placed = {
        path: list(map(_given, levers[name], terms[path]))
        for name, path in PUT_IN_PLACE.items()
        if name in levers
    }
    if "avg_ticket_price" in levers:
        least = map(np.maximum, levers["avg_ticket_price"], terms["least_price"])
        placed["price_log"] = list(map(_given, map(np.log, least), terms["price_log"]))
    return {**terms, **placed} if placed else terms


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
        step = uncertainty[:, None] * path * ((1 - path) if LEVER_BOUNDS[name].is_rate else 1.0)
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
