"""Solution of a plan's problem: a plan in round figures that reaches the target by the forecaster's answer.

It alternates the search on the closed form with new measurements of it, rounds the plan, and makes up the
shortfall that rounding and the learners' steps (tree models are piecewise constant) leave to the target.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from studio_pipeline.panel.arrays import FloatArray
from studio_pipeline.planning.inverse.search import refine, search
from studio_pipeline.planning.inverse.setup import PlanProblem, PlanSetup
from studio_pipeline.planning.levers import RATES, RETENTION, SMOOTH, TICKET

RATE_DIGITS = 6
MONEY_DIGITS = 6
"""Decimals of a rate and significant digits of a price in a plan."""

CENT = 0.01
_MEASUREMENTS = 4
_CLOSE = 1e-9
_NEAR = 1e-4
_REPAIRS = 12
_OVERSHOOT = 1.5


@dataclass(frozen=True)
class Solution:
    """A (7,) plan, its revenue by the forecaster, and whether that reaches the target, to the cent."""

    plan: FloatArray
    revenue: float
    reaches: bool


def reaches(revenue: float, target: float) -> bool:
    """Return True if a revenue reaches a target, to the cent."""
    return round(revenue, 2) >= round(target, 2)


def solve(setup: PlanSetup, thorough: bool = True) -> Solution:
    """Finds the plan of least burden that reaches the target, else the one of most revenue.

    The closed form is measured again at each plan found, until its revenue agrees with the forecaster's. For
    `thorough` see `search`.
    """
    present = setup.problem.present
    # The closed form was measured at the present levers, where it equals the forecaster's answer.
    if reaches(revenue := float(setup.problem.revenue.revenue(present[:, None])[0]), setup.problem.target):
        return Solution(present, revenue, True)
    plan = search(setup.problem, thorough)
    for _ in range(_MEASUREMENTS):
        closed_form = float(setup.problem.revenue.revenue(plan[:, None])[0])
        if abs(float(setup.revenue(plan[:, None])[0]) - closed_form) <= _CLOSE * closed_form:
            break
        setup = setup.measured_at(plan)
        plan = refine(setup.problem, plan)
    return _finished(setup, plan)


def _finished(setup: PlanSetup, plan: FloatArray) -> Solution:
    target = setup.problem.target
    raw, figures = plan, rounded(setup.problem, plan)
    earned = setup.revenue(np.stack([figures, raw], 1))
    if not reaches(float(earned[1]), target) and float(earned[1]) < target * (1 - _NEAR):
        return Solution(raw, float(earned[1]), False)
    repaired = _repaired(setup, figures, float(earned[0]))
    if repaired.reaches or earned[1] < repaired.revenue:
        return repaired
    return Solution(raw, float(earned[1]), reaches(float(earned[1]), target))


def rounded(problem: PlanProblem, plan: FloatArray) -> FloatArray:
    """(7,) the plan in round figures; levers at their present or at a limit are left unchanged."""
    figures = plan.copy()
    for place in RATES:
        figures[place] = np.round(plan[place], RATE_DIGITS)
    # Rounded up: a plan's retention is never below its response.
    figures[RETENTION] = _up(plan[RETENTION], 10.0**-RATE_DIGITS)
    unit = _unit(plan[TICKET])
    figures[TICKET] = np.round(np.round(plan[TICKET] / unit) * unit, max(round(-np.log10(unit)), 0))
    fixed = np.isin(np.arange(len(plan)), [*RATES, TICKET], invert=True)
    for end in (problem.present, problem.low, problem.high):
        fixed |= np.abs(plan - end) <= 1e-12 * np.maximum(np.abs(end), 1.0)
    kept = np.minimum(np.maximum(np.where(fixed, plan, figures), problem.low), problem.high)
    settled, possible = problem.settled(kept[:, None])
    return np.asarray(settled[:, 0] if possible[0] else plan)


def _repaired(setup: PlanSetup, plan: FloatArray, revenue: float) -> Solution:
    """Makes up the shortfall from rounding and the learners' steps with the lever of least burden."""
    target = setup.problem.target
    closed_form = float(setup.problem.revenue.revenue(plan[:, None])[0])
    best, missing = Solution(plan, revenue, reaches(revenue, target)), target - revenue
    for _ in range(_REPAIRS):
        if best.reaches:
            break
        candidates = _made_up(setup.problem, plan, closed_form + missing)
        earned = setup.revenue(candidates)
        enough = np.round(earned, 2) >= round(target, 2)
        rank = np.where(enough, setup.problem.burden(candidates), np.inf)
        chosen = int(np.argmin(rank) if enough.any() else np.argmax(earned))
        if earned[chosen] > best.revenue:
            best = Solution(candidates[:, chosen], float(earned[chosen]), bool(enough[chosen]))
        missing = missing * _OVERSHOOT + 0.1 * CENT
    return best


def _made_up(problem: PlanProblem, plan: FloatArray, revenue: float) -> FloatArray:
    """(7, N) the plan with one lever at a time raised to where the closed form gives `revenue`."""
    raised = np.repeat(plan[:, None], len(SMOOTH) + 1, 1)
    for _ in range(3):
        earned, slopes = problem.revenue.slopes(raised)
        for order, place in enumerate(SMOOTH):
            slope = float(slopes[place][order])
            if slope > 0 and problem.high[place] > problem.low[place]:
                raised[place, order] += (revenue - float(earned[order])) / slope
    for order, place in enumerate(SMOOTH):
        unit = 10.0**-RATE_DIGITS if place in RATES else _unit(raised[place, order])
        raised[place, order] = min(_up(raised[place, order], unit), problem.high[place])
    settled, possible = problem.settled(raised)
    nearby = refine(replace(problem, target=revenue), plan)
    return np.concatenate([settled[:, possible], nearby[:, None]], 1)


def _up(value: float, unit: float) -> float:
    """A value rounded up to a multiple of the unit."""
    places = round(-np.log10(unit))
    return float(np.round(np.ceil(value / unit - 1e-9) * unit, places))


def _unit(amount: float) -> float:
    """The unit of the last significant digit of an amount above 0."""
    return float(10.0 ** (np.floor(np.log10(amount)) + 1 - MONEY_DIGITS)) if amount > 0 else 1.0
