"""Search for the plan of least burden that reaches a target, by local search on the closed form.

The burden is nearly linear in the levers and the target is one curved constraint, so the best plan lies on
the target surface with most levers at an end: their present, a limit, or the response. From many starts,
steps of one or two levers are combined with a third lever that Newton's method moves back onto the surface;
step sizes shrink, and whole-number levers take whole steps. Thousands of plans are evaluated at once.
Rounding and agreement with the forecaster are in `solution`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from studio_pipeline.panel.arrays import FloatArray
from studio_pipeline.planning.inverse.setup import PlanProblem
from studio_pipeline.planning.levers import ATTENDANCE, CLASSES, NEW, RETENTION, STAFF, TICKET, UPSELL, WHOLE

_SEED = 4
_LEVERS = 7
_DRAWN_STARTS = 96
_KEPT = 4
_STEPS = tuple(0.3**k for k in range(1, 7))
_QUICK_STEPS = (0.3, 0.05, 0.006)
_LAST_STEPS = (0.03,)
_REFINING_STEPS = (0.03, 0.005, 0.0008)
_WHOLE_REACH = {NEW: 4, CLASSES: 6}
_NEWTON_STEPS = 2
_TIE = 1e-7
_REACHED = 1e-9
_FALLING_SHORT = 1e3

_HELD = (RETENTION, UPSELL, TICKET, ATTENDANCE)
"""Levers solved for the target with retention held."""

_FOLLOWING = (TICKET, ATTENDANCE, STAFF)
"""Levers solved for the target with retention following its response to them."""

_NO_SLOPE = 1e-12


def search(problem: PlanProblem, thorough: bool = True) -> FloatArray:
    """(7,) best plan found: the one of least burden that reaches the target, else the one of most revenue.

    If `thorough`, all nearby whole numbers and more and smaller steps are tried; it takes twice the time.
    """
    pool = _best(problem, _starts(problem))
    pool = _stepped(problem, pool, _STEPS if thorough else _QUICK_STEPS)
    if thorough:
        pool = _best(problem, np.concatenate([pool, _whole_neighbours(problem, pool)], 1))
        pool = _stepped(problem, pool, _LAST_STEPS)
    return np.asarray(pool[:, 0])


def refine(problem: PlanProblem, plan: FloatArray) -> FloatArray:
    """(7,) best plan near a (7,) plan."""
    return np.asarray(_stepped(problem, plan[:, None], _REFINING_STEPS)[:, 0])


def _stepped(problem: PlanProblem, pool: FloatArray, shares: Sequence[float]) -> FloatArray:
    for share in shares:
        pool = _best(problem, np.concatenate([pool, _neighbours(problem, pool, share)], 1))
    return pool


def _best(problem: PlanProblem, x: FloatArray) -> FloatArray:
    """(7, K) best of many plans and of those moved onto the target; no two of them change the same levers."""
    x = _possible(problem, x)
    if not x.shape[1]:
        return problem.present[:, None]
    both = np.concatenate([x, _possible(problem, _on_target(problem, x))], 1)
    order = np.argsort(_rank(problem, both), kind="stable")
    both = both[:, order[: 40 * _KEPT]]
    moved = (np.abs(both - problem.present[:, None]) > 1e-9).T @ (1 << np.arange(_LEVERS))
    _, first = np.unique(moved, return_index=True)
    return both[:, np.sort(first)[:_KEPT]]


def _possible(problem: PlanProblem, x: FloatArray) -> FloatArray:
    settled, possible = problem.settled(x)
    return settled[:, possible]


def _rank(problem: PlanProblem, x: FloatArray) -> FloatArray:
    """(N,) objective, to be minimised: burden of plans that reach the target, shortfall of the others."""
    short = np.maximum(1 - problem.revenue.revenue(x) / problem.target, 0.0)
    span = np.maximum(problem.high - problem.low, 1e-12)
    largest = float(problem.weights @ span) + 1e-300
    burden = problem.burden(x) / largest
    # Tie break between plans of equal burden: the smaller change.
    tie = _TIE * (np.abs(x - problem.present[:, None]) / span[:, None]).sum(0)
    return np.where(short <= _REACHED, burden + tie, _FALLING_SHORT * (1 + short) + _TIE * burden)


def _starts(problem: PlanProblem) -> FloatArray:
    """(7, N) starting plans: single levers in steps, all combinations of ends, and random ones."""
    present, low, high = problem.present[:, None], problem.low[:, None], problem.high[:, None]
    ends = np.array(list(itertools.product((0.0, 1.0), repeat=_LEVERS))).T
    drawn = np.random.default_rng(_SEED).random((_LEVERS, _DRAWN_STARTS))
    ladder = np.linspace(0.25, 1.0, 4)
    alone = np.concatenate([np.outer(row, ladder) for row in np.eye(_LEVERS)]).reshape(_LEVERS, _LEVERS, -1)
    up = np.concatenate([ends, drawn, alone.swapaxes(0, 1).reshape(_LEVERS, -1)], 1)
    down = up.copy()
    # Levers whose decrease may help: through less crowding and overwork, or retention at a lower price.
    falling = [ATTENDANCE, STAFF, CLASSES, TICKET]
    to_high, to_low = present + up * (high - present), present + down * (low - present)
    mixed = to_high.copy()
    mixed[falling] = to_low[falling]
    staff_down = to_high.copy()
    staff_down[STAFF] = to_low[STAFF]
    return np.concatenate([present, to_high, mixed, staff_down], 1)


def _neighbours(problem: PlanProblem, pool: FloatArray, share: float) -> FloatArray:
    """(7, N) plans with one or two levers moved by a share of their ranges, and with one lever at an end;
    each with retention held, and with retention following its response.
    """
    steps = share * (problem.high - problem.low)
    for place in WHOLE:
        steps[place] = max(1.0, np.rint(steps[place])) if steps[place] > 0 else 0.0
    moves = _moves(tuple(np.flatnonzero(steps > 0).tolist())) * steps[:, None]
    near = (pool[:, :, None] + moves[:, None, :]).reshape(_LEVERS, -1)
    ends = _at_ends(problem, pool)
    held = np.concatenate([near, ends], 1)
    held = np.minimum(np.maximum(held, problem.low[:, None]), problem.high[:, None])
    before = problem.responses.retention_rate(pool)
    before = np.concatenate([np.repeat(before, part.shape[1] // len(before)) for part in (near, ends)])
    following = held.copy()
    following[RETENTION] += problem.responses.retention_rate(held) - before
    return np.concatenate([held, following], 1)


def _whole_neighbours(problem: PlanProblem, pool: FloatArray) -> FloatArray:
    """(7, N) plans with whole-number levers shifted by a few units, as they are and with one changed lever
    back at its present: rounding changes which of the other levers are best.
    """
    shifts = [
        range(-reach, reach + 1) if problem.high[place] > problem.low[place] else (0,)
        for place, reach in _WHOLE_REACH.items()
    ]
    near = np.repeat(pool, math.prod(map(len, shifts)), 1)
    every = np.tile(list(itertools.product(*shifts)), (pool.shape[1], 1))
    for place, shift in zip(_WHOLE_REACH, every.T, strict=True):
        near[place] += shift
    moved = np.flatnonzero(np.any(pool != problem.present[:, None], 1))
    back = np.repeat(near[:, None], 1 + len(moved), 1)
    for order, place in enumerate(moved.tolist(), 1):
        back[place, order] = problem.present[place]
    return back.reshape(_LEVERS, -1)


@lru_cache(maxsize=1 << _LEVERS)
def _moves(free: tuple[int, ...]) -> FloatArray:
    """(7, M) moves of -1, 0 and 1: none, and all moves of one or two of the free levers."""
    moves = [np.zeros(_LEVERS)]
    for size in (1, 2):
        for places in itertools.combinations(free, size):
            for signs in itertools.product((-1.0, 1.0), repeat=size):
                move = np.zeros(_LEVERS)
                move[list(places)] = signs
                moves.append(move)
    return np.array(moves).T


def _at_ends(problem: PlanProblem, pool: FloatArray) -> FloatArray:
    """(7, N) plans with one lever at its present, lowest or highest value, or at a kink of the responses."""
    rows = []
    for values in (problem.present, problem.low, problem.high):
        placed = np.repeat(pool, _LEVERS, 1)
        for k in range(_LEVERS):
            placed[k, k::_LEVERS] = values[k]
        rows.append(placed.reshape(_LEVERS, -1, _LEVERS))
    comfort = np.repeat(pool[:, :, None], 3, 2)
    comfort[STAFF, :, 0] = problem.responses.comfortable_utilization
    comfort[ATTENDANCE, :, 1] = problem.responses.comfortable_attendance
    comfort[TICKET, :, 2] = problem.capacity.clear_ticket
    return np.concatenate([*rows, comfort], 2).reshape(_LEVERS, -1)


def _on_target(problem: PlanProblem, x: FloatArray) -> FloatArray:
    """(7, M) each plan with one lever at a time moved by Newton's method to where revenue is the target:
    first with retention held, then with retention following its response at constant effort.
    """
    free = problem.high > problem.low
    held, following = ([place for place in places if free[place]] for places in (_HELD, _FOLLOWING))
    n = x.shape[1]
    y = np.tile(x, (1, len(held) + len(following)))
    first = len(held) * n
    effort = np.tile(x[RETENTION] - problem.responses.retention_rate(x), len(following))
    for _ in range(_NEWTON_STEPS):
        revenue, slopes = problem.revenue.slopes(y)
        missing = problem.target - revenue
        responses = problem.responses.retention_slopes(y[:, first:])
        for order, place in enumerate(held + following):
            row = slice(order * n, (order + 1) * n)
            slope = slopes[place][row]
            if row.start >= first:
                behind = slice(row.start - first, row.stop - first)
                slope = slope + slopes[RETENTION][row] * responses[place][behind]
            step = np.divide(missing[row], slope, out=np.zeros(n), where=np.abs(slope) > _NO_SLOPE)
            y[place, row] = np.minimum(
                np.maximum(y[place, row] + step, problem.low[place]), problem.high[place]
            )
        if following:
            y[RETENTION, first:] = problem.responses.retention_rate(y[:, first:]) + effort
    return y
