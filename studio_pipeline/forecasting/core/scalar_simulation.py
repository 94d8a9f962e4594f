"""Simulation of a single studio on plain numbers: the scalar twin of `simulation`, for speed.

`run_one` is `simulation.simulate_terms` for one projection, written out in one loop: 20 microseconds for
twelve months, against 720 (36 times) on arrays of length one and 40 with a function call for each formula. It
is a large part of the time of an answer. A test compares the two; change both together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from math import exp, isfinite, log
from typing import NamedTuple

from studio_pipeline.forecasting.base.bounds import START_LEVER
from studio_pipeline.forecasting.base.flows import JOINERS_OFFSET, LARGEST_EXPONENT, LARGEST_LOG_ODDS
from studio_pipeline.forecasting.core.flow_terms import COMFORT, PUT_IN_PLACE, REGRESSORS, START
from studio_pipeline.forecasting.core.simulation import HELD, LEAST_DENSITY, STAFF_PERSISTENCE
from studio_pipeline.forecasting.responses.regressors import RESPONDING, TYPICAL_ATTENDANCE

Paths = Mapping[str, Sequence[float]]
Numbers = Mapping[str, float]
PlainTargets = tuple[Sequence[float], Sequence[float], Sequence[float]]
"""Revenue, members and retention, one value per month each."""

_STEADY = (
    *("members", "visits", "classes", "retention", "acquisition"),
    *("realisation", "retail_yield", "upsell_yield", "other_yield", "pack_yield", "revenue"),
)
"""Paths that no lever replaces, in the order of the values of a month in `PlainTerms.steady`."""

_PLACED = ("ticket", "staff", "upsell_rate", "price_log")
_REST = ("classes_fullness", "visits_classes", "utilization_classes", *COMFORT)


class PlainTerms(NamedTuple):
    """Terms of one studio, arranged for `run_one` once and used for all queries about the studio."""

    paths: Paths  # path to its value in each month, by the names of `flow_terms.PATHS`
    steady: Sequence[Sequence[float]]  # for each month, the values of the paths that no lever replaces
    start: Sequence[float]  # values in the order of `flow_terms.START`
    # slopes of retention, of acquisition, and the rest
    slopes: tuple[Sequence[float], Sequence[float], Sequence[float]]
    free: Sequence[float]  # path of a lever that is free in all months, NaN


def plain_terms(paths: Paths, start: Numbers, slopes: Numbers) -> PlainTerms:
    """Arrange paths, starting stocks and slopes by the names of `flow_terms` for `run_one`."""
    retention, acquisition = (
        tuple(slopes[f"{flow}_{regressor}"] for regressor in REGRESSORS) for flow in RESPONDING
    )
    return PlainTerms(
        paths,
        list(zip(*(paths[name] for name in _STEADY), strict=True)),
        tuple(start[name] for name in START),
        (retention, acquisition, tuple(slopes[name] for name in _REST)),
        [math.nan] * len(paths["members"]),
    )


def run_one(terms: PlainTerms, levers: Paths) -> PlainTargets:
    """Simulate H months; members and retention are NaN where the data lack them. `levers`: lever to its value
    in each month, NaN where free; a given lever stays given to the end, and a missing one is free.
    """
    free, paths = terms.free, terms.paths
    members = levers.get(START_LEVER, free)[0]
    known_members, capacity, rate, usual, typical_density = terms.start
    if not isfinite(members):
        members = known_members
    has_stock = isfinite(paths["retention"][0] + paths["acquisition"][0] + members)
    of_retention, of_acquisition, rest = terms.slopes
    planning, of_density, of_workload, comfortable, utilization, same_month = rest
    stays_price, stays_busy, stays_crowd, stays_work = of_retention
    joins_price, joins_busy, joins_crowd, joins_work = of_acquisition
    planned, found = 0.0, []
    held_lists = [levers.get(name, free) for name in HELD]
    for steady, (ticket, staff, upsell_rate, price), given in zip(
        terms.steady,
        zip(*_placed(paths, levers, of_workload), strict=True),
        zip(*held_lists, strict=True),
        strict=True,
    ):
        held, held_rate, retention, new = given
        level, visits, usual_classes, stays, joins, realisation, retail, upsell, other, packs, amount = steady
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
            crowd = busy if same_month == 0 else rate if isfinite(rate) else TYPICAL_ATTENDANCE
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
                if odds > LARGEST_LOG_ODDS or odds < -LARGEST_LOG_ODDS:
                    odds = LARGEST_LOG_ODDS if odds > 0 else -LARGEST_LOG_ODDS
                retention = 1 / (1 + exp(-odds))
            if not isfinite(new):
                size = (
                    joins
                    + joins_price * price
                    + joins_work * overwork
                    + joins_busy * busy
                    + joins_crowd * crowding
                )
                new = exp(LARGEST_EXPONENT if size > LARGEST_EXPONENT else size) - JOINERS_OFFSET
                new = 0.0 if new < 0 else new
        members = members * retention + new if has_stock else level
        revenue = members * (ticket * realisation + retail + upsell * upsell_rate + other)
        revenue += packs * (attendance if isfinite(attendance) else members)
        # Without members, revenue is projected by its own level.
        found.append(
            (revenue if isfinite(revenue) else amount, members, retention if has_stock else math.nan)
        )
    revenues, stocks, retentions = zip(*found, strict=True)
    return revenues, stocks, retentions


def _placed(paths: Paths, levers: Paths, workload: float) -> list[Sequence[float]]:
    found = {name: paths[name] for name in _PLACED}
    if (classes := levers.get("total_classes_held")) is not None:
        extra = before = 0.0
        staff = []
        for usual, free, held in zip(paths["staff"], paths["classes"], classes, strict=True):
            more = held / free if free > 0 else math.nan
            added = log(more) if 0 < more < math.inf else 0.0
            extra = STAFF_PERSISTENCE * extra + workload * (added - before)
            before = added
            staff.append(min(usual * exp(extra), 1.0))
        found["staff"] = staff
    for name, path in PUT_IN_PLACE.items():
        if (given := levers.get(name)) is not None:
            found[path] = given if isfinite(given[0]) else _where_free(given, found[path])
    if (prices := levers.get("avg_ticket_price")) is not None:
        logs = [log(max(price, least)) for price, least in zip(prices, paths["least_price"], strict=True)]
        found["price_log"] = logs if isfinite(prices[0]) else _where_free(logs, paths["price_log"])
    return list(found.values())


def _where_free(given: Sequence[float], free: Sequence[float]) -> list[float]:
    return [lever if isfinite(lever) else usual for lever, usual in zip(given, free, strict=True)]
