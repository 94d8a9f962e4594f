"""Verification of a plan: forward answers to it, its limits, and the probability of reaching the target.

Limits are checked again on the plan's plain numbers, independently of the optimisation. A plan's retention
and new members include their response to its other changes: the responses' standard errors add to the
uncertainty of the revenue, and so enter the probability.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from studio_pipeline.errors import PlanError, QueryError
from studio_pipeline.forecasting.base.bounds import START_LEVER
from studio_pipeline.forecasting.base.given_levers import HELD_LEVERS
from studio_pipeline.forecasting.base.queries import Forecast, ForwardQuery
from studio_pipeline.forecasting.forecaster.forecast_uncertainty import response_deviation
from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline.forecasting.forecaster.warnings import conflicts
from studio_pipeline.forecasting.intervals.joint_simulation import normal_quantiles
from studio_pipeline.forecasting.responses.regressors import burden
from studio_pipeline.panel.arrays import FloatArray
from studio_pipeline.planning.inverse.queries import TargetKind
from studio_pipeline.planning.inverse.setup import PlanSetup, follows_flows
from studio_pipeline.planning.levers import ATTENDANCE, CLASSES, STAFF, TICKET, WHOLE

CHANCE_LEVELS = (0.9, *(round(0.04 * k, 2) for k in range(1, 25)), 0.98, 0.99, 0.998)
"""Levels of the intervals from which a probability is interpolated; the first is the main one."""

_ROUNDING = 1e-6
_NORMAL = normal_quantiles(201)


def certified(forecaster: Forecaster, asked: Sequence[ForwardQuery]) -> list[Forecast]:
    """Answers of the forecaster to all queries; raises the QueryError of the first one that it refuses."""
    answers = []
    for answer in forecaster.forecast(asked):
        if isinstance(answer, QueryError):
            raise answer
        answers.append(answer)
    return answers


def counted_revenue(forecast: Forecast, kind: TargetKind) -> float:
    """Revenue of the target's months, to the cent."""
    return round(float(forecast.revenue[-1] if kind == "month" else forecast.revenue.sum()), 2)


def chance_of(forecast: Forecast, target: float, kind: TargetKind, deviation: float = 0.0) -> float:
    """Probability that an answer at `CHANCE_LEVELS` reaches a target, interpolated in its intervals; 0..1.

    `deviation` is the standard deviation of a normal error in addition to the intervals, currency.
    """
    ends = [
        forecast.intervals[level][-1] if kind == "month" else forecast.total_intervals[level]
        for level in CHANCE_LEVELS
    ]
    levels = np.array(CHANCE_LEVELS)
    chances = np.concatenate([(1 - levels) / 2, (1 + levels) / 2])
    values = np.array(ends, dtype=np.float64).T.ravel()
    order = np.argsort(chances, kind="stable")
    targets = target - deviation * _NORMAL
    below = np.interp(targets, np.maximum.accumulate(values[order]), chances[order])
    return float(1 - below.mean())


def check_limits(setup: PlanSetup, levers: Mapping[str, float]) -> None:
    """Checks that a plan keeps its ranges, whole numbers, frozen levers and capacity; else a PlanError."""
    broken = _out_of_range(setup, levers) + _beyond_capacity(setup, levers)
    origin = setup.origin
    before, after = (
        conflicts(held, origin.shown, origin.usual, origin.effects) for held in (setup.present, levers)
    )
    if len(after) > len(before):
        broken += after
    if levers.get(START_LEVER) != setup.present.get(START_LEVER):
        broken.append(f"{START_LEVER} changes")
    if broken:
        raise PlanError(
            f"The plan for studio {setup.query.studio_id!r} breaks its limits: {'; '.join(broken)}.",
            "This is a bug: please report it with the request.",
        )


def _out_of_range(setup: PlanSetup, levers: Mapping[str, float]) -> list[str]:
    found = []
    for place, lever in enumerate(HELD_LEVERS):
        if lever not in levers:
            continue
        value, now = levers[lever], setup.present[lever]
        low, high = setup.ranges.low[place], setup.ranges.high[place]
        if not low - _ROUNDING * abs(low) <= value <= high + _ROUNDING * abs(high):
            found.append(f"{lever} {value:.9g} is not from {low:.9g} to {high:.9g}")
        if place in WHOLE and value not in (now, math.floor(value)):
            found.append(f"{lever} {value:.9g} is not whole")
        if lever in setup.query.frozen_levers and value != now:
            found.append(f"{lever} is frozen at {now:.9g} and becomes {value:.9g}")
    return found


def _beyond_capacity(setup: PlanSetup, levers: Mapping[str, float]) -> list[str]:
    """Sentences on broken limits of seats, visits and paid hours, computed without the closed form."""
    capacity = setup.problem.capacity
    classes = levers.get(HELD_LEVERS[CLASSES], math.nan)
    attended = levers.get(HELD_LEVERS[ATTENDANCE], math.nan) * classes
    work = classes / levers.get(HELD_LEVERS[STAFF], math.nan)
    members, peak = levers.get(START_LEVER, math.nan), math.nan
    for _ in range(setup.query.target_months if START_LEVER in levers else 0):
        members = members * levers["retention_rate"] + levers["new_members_monthly"]
        peak = members if math.isnan(peak) else max(peak, members)
    found = []
    if attended > capacity.most_attended * (1 + _ROUNDING):
        found.append("attendance takes more visits than members make")
    if peak > capacity.most_members * classes * (1 + _ROUNDING):
        found.append("members find no seats")
    if work > capacity.most_work * (1 + _ROUNDING) or work < capacity.least_work * (1 - _ROUNDING):
        found.append("classes don't fit the paid hours")
    return found


def plan_deviation(setup: PlanSetup, plan: FloatArray, forecast: Forecast) -> float:
    """Standard deviation of the target's revenue through the responses to a (7,) plan, currency.

    The forecast is that of the plan, over the target's months.
    """
    if not follows_flows(setup.origin):
        return 0.0
    changes = {name: np.full(len(forecast.revenue), by) for name, by in _changes(setup, plan).items()}
    by_month = response_deviation(
        setup.origin.effects, forecast.revenue, forecast.retention_rate, changes, levers={}
    )
    # A response's error is the same in all months, so deviations add up.
    return float(by_month @ setup.target)


def _changes(setup: PlanSetup, plan: FloatArray) -> dict[str, float]:
    """Regressor of the responses to its change from the present by a plan, for carried levers."""
    now, comfort = setup.problem.present, setup.problem.responses
    carried = {place for place in (TICKET, ATTENDANCE, STAFF) if HELD_LEVERS[place] in setup.present}
    pairs = np.stack([plan, now], 1)
    found: dict[str, float] = {}
    if TICKET in carried and now[TICKET] > 0 < plan[TICKET]:
        found["price"] = float(np.log(plan[TICKET] / now[TICKET]))
    if ATTENDANCE in carried:
        after, before = burden(pairs[ATTENDANCE], comfort.comfortable_attendance)
        found["fullness"] = float(plan[ATTENDANCE] - now[ATTENDANCE])
        found["crowding"] = float(after - before)
    if STAFF in carried:
        after, before = burden(pairs[STAFF], comfort.comfortable_utilization)
        found["overwork"] = float(after - before)
    return found
