"""The months of one studio on plain numbers.

It is `stock_and_flow.simulate_terms` of one projection written out in one loop: a month is some fifty
operations, which as calls take twice as long and as arrays of one entry twenty times. Much of the time of an
answer goes into them. A test holds the two together.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from math import exp, isfinite, log

from studio_pipeline.forecasting.flow_terms import PUT_IN_PLACE, START_LEVER
from studio_pipeline.forecasting.response_regressors import TYPICAL_ATTENDANCE
from studio_pipeline.forecasting.stock_and_flow import LARGEST_EXPONENT, LARGEST_LOG_ODDS, LEAST_DENSITY

Paths = Mapping[str, Sequence[float]]
Numbers = Mapping[str, float]
PlainTargets = tuple[Sequence[float], Sequence[float], Sequence[float]]
"""Revenue, members and retention, month by month."""

_HELD = ("total_classes_held", "class_attendance_rate", "retention_rate", "new_members_monthly")
_OF_MEMBERS = ("members", "visits", "classes", "retention", "acquisition", "price_log", "staff")
_OF_MONEY = ("ticket", "realisation", "retail_yield", "upsell_yield", "upsell_rate", "other_yield")
_REST = ("pack_yield", "revenue")


def run_one(terms: Paths, start: Numbers, slopes: Numbers, levers: Paths) -> PlainTargets:
    """Revenue, members and retention in each of H months; the last two are NaN where the data carry none.

    Args:
        terms: path to its value in each month, by the names of `flow_terms.PATHS`.
        start: value by the names of `flow_terms.START`.
        slopes: value by the names of `flow_terms.SLOPES`.
        levers: lever to its value in each month, NaN where free; a lever that is not there is free.
    """
    free = [math.nan] * len(terms["members"])
    if levers:
        terms = _with_levers(terms, levers)
    members, rate = levers.get(START_LEVER, free)[0], start["attendance_rate"]
    if not isfinite(members):
        members = start["members"]
    has_stock = isfinite(terms["retention"][0] + terms["acquisition"][0] + members)
    capacity, usual, typical_density = (
        start["class_capacity"],
        start["usual_attendance"],
        start["classes_per_member"],
    )
    planning, of_density = slopes["classes_fullness"], slopes["visits_classes"]
    comfortable, utilization = slopes["comfortable_attendance"], slopes["comfortable_utilization"]
    same_month = slopes["crowds_same_month"] > 0
    stays_price, stays_busy, stays_crowd, stays_work = _slopes_of("retention", slopes)
    joins_price, joins_busy, joins_crowd, joins_work = _slopes_of("acquisition", slopes)
    held_lists = [levers.get(name, free) for name in _HELD]
    planned, found = 0.0, []
    for given, flows, money, (packs, revenue_level) in zip(
        zip(*held_lists, strict=True),
        _together(terms, _OF_MEMBERS),
        _together(terms, _OF_MONEY),
        _together(terms, _REST),
        strict=True,
    ):
        held, held_rate, retention, new = given
        level, visits, usual_classes, stays, joins, price, staff = flows
        ticket, realisation, retail, upsell, upsell_rate, other = money
        busy = TYPICAL_ATTENDANCE
        if isfinite(rate):
            busy = rate
            planned += planning * (rate - usual)
        classes = held if isfinite(held) else usual_classes * exp(planned)
        seats, visitors = classes * capacity, members if has_stock else level
        attendance = visitors * visits
        if of_density and visitors > 0 and isfinite(density := classes / visitors):
            attendance *= exp(
                of_density * (log(density if density > LEAST_DENSITY else LEAST_DENSITY) - typical_density)
            )
        if isfinite(seats):
            attendance = (
                held_rate * seats if isfinite(held_rate) else seats if seats < attendance else attendance
            )
        rate = attendance / seats if seats > 0 else math.nan
        if not isfinite(retention + new):
            crowd = busy if not same_month else rate if isfinite(rate) else TYPICAL_ATTENDANCE
            crowding = crowd - comfortable if crowd > comfortable else 0.0
            overwork = staff - utilization if staff > utilization else 0.0
            if not isfinite(retention):
                odds = (
                    stays
                    + stays_price * price
                    + stays_work * overwork
                    + stays_busy * busy
                    + stays_crowd * crowding
                )
                retention = 1 / (1 + exp(-min(max(odds, -LARGEST_LOG_ODDS), LARGEST_LOG_ODDS)))
            if not isfinite(new):
                size = (
                    joins
                    + joins_price * price
                    + joins_work * overwork
                    + joins_busy * busy
                    + joins_crowd * crowding
                )
                new = max(exp(min(size, LARGEST_EXPONENT)) - 0.5, 0.0)
        members = members * retention + new if has_stock else level
        revenue = members * (ticket * realisation + retail + upsell * upsell_rate + other)
        revenue += packs * (attendance if isfinite(attendance) else members)
        # Where there are no members, the level of revenue itself.
        found.append(
            (revenue if isfinite(revenue) else revenue_level, members, retention if has_stock else math.nan)
        )
    revenues, stocks, retentions = zip(*found, strict=True)
    return revenues, stocks, retentions


def _together(terms: Paths, names: Sequence[str]) -> Iterator[tuple[float, ...]]:
    """The values of some paths, month by month."""
    return zip(*[terms[name] for name in names], strict=True)


def _slopes_of(flow: str, slopes: Numbers) -> tuple[float, ...]:
    """What a flow responds with to price, busy classes, crowded ones, and overwork."""
    return tuple(slopes[f"{flow}_{regressor}"] for regressor in ("price", "fullness", "crowding", "overwork"))


def _with_levers(terms: Paths, levers: Paths) -> Paths:
    """The terms with those levers put in their place to which nothing has to respond first."""
    placed: dict[str, Sequence[float]] = {}
    for name, path in PUT_IN_PLACE.items():
        if name in levers:
            months = zip(levers[name], terms[path], strict=True)
            placed[path] = [lever if isfinite(lever) else free for lever, free in months]
    if "avg_ticket_price" in levers:
        priced = zip(levers["avg_ticket_price"], terms["least_price"], terms["price_log"], strict=True)
        placed["price_log"] = [
            log(max(price, least)) if isfinite(price) else free for price, least, free in priced
        ]
    return {**terms, **placed}
