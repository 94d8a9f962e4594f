"""Planner: from an inverse query to a verified and explained plan, with alternatives.

It only calls the steps in order: setup, solution, attribution, verification by forward answers, and
explanation, each in its own module of this package.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from studio_pipeline.forecasting.base.bounds import LEVER_BOUNDS
from studio_pipeline.forecasting.base.given_levers import HELD_LEVERS
from studio_pipeline.forecasting.base.queries import ForwardQuery, LeverStep
from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline.panel.arrays import FloatArray
from studio_pipeline.planning.configuration import PlanningConfig
from studio_pipeline.planning.inverse.attribution import binding_limits, shapley_split
from studio_pipeline.planning.inverse.explanation import actions, dated_plan, lever_changes, plan_warnings
from studio_pipeline.planning.inverse.limits import check_plan_query
from studio_pipeline.planning.inverse.queries import Alternative, Plan, PlanQuery
from studio_pipeline.planning.inverse.setup import PlanSetup, plan_setup
from studio_pipeline.planning.inverse.solution import Solution, reaches, solve
from studio_pipeline.planning.inverse.verification import (
    CHANCE_LEVELS,
    certified,
    chance_of,
    check_limits,
    counted_revenue,
    plan_deviation,
)


def make_plan(forecaster: Forecaster, query: PlanQuery, configuration: PlanningConfig) -> Plan:
    """Makes the plan of least cost (or least relative change) that reaches the target, else the nearest one.

    Raises:
        UnknownStudioError: there are no months of the studio, and not the present of all eight levers.
        BaseMonthError: the studio lacks the base month.
        LeverError: a present value, limit, cost or name can't be taken, or the data carry nothing to plan.
        PlanError: the plan breaks a limit, which is a bug.
    """
    check_plan_query(query)
    origin = forecaster.origin(_forward_query(query, query.current_state))
    setup = plan_setup(origin, forecaster.panel, query, configuration)
    solution = solve(setup)
    impacts = shapley_split(setup.problem.present, solution.plan, setup.revenue)
    others = _alternatives(setup, solution, impacts, configuration.most_alternatives)
    plan, weeks, target = solution.plan, configuration.lead_time_weeks.model_dump(), setup.problem.target
    for one in (solution, *others):
        check_limits(setup, setup.levers(one.plan))
    dated = dated_plan(setup, plan, weeks)
    # In a call of its own, as a client would make: its digits must be those of a forward answer.
    (forecast,) = certified(forecaster, [_forward_query(query, setup.levers(plan))])
    asked = [_forward_query(query, setup.present, dated.steps)]
    asked += [_forward_query(query, setup.levers(other.plan)) for other in others]
    of_dated, *of_others = (counted_revenue(f, query.target_kind) for f in certified(forecaster, asked))
    achievable = counted_revenue(forecast, query.target_kind)
    feasible = reaches(achievable, target)
    unchanged = bool(np.all(plan == setup.problem.present))
    deviation = plan_deviation(setup, plan, forecast)
    made = Plan(
        base_month=setup.origin.base_month,
        target_revenue=query.target_revenue,
        present_revenue=round(float(setup.revenue(setup.problem.present[:, None])[0]), 2),
        achievable_revenue=achievable,
        feasible=feasible,
        recommended_levers=_all_eight(setup, plan),
        lever_changes=lever_changes(setup, plan, impacts, forecaster.panel, configuration),
        action_plan=actions(setup, plan, impacts, weeks),
        lever_plan=dated.steps,
        dated_revenue=of_dated,
        confidence_score=chance_of(forecast, target, query.target_kind, deviation),
        plan_cost=_cost(setup, plan),
        binding_limits=() if unchanged and feasible else binding_limits(setup, plan),
        alternatives=tuple(
            Alternative(_all_eight(setup, other.plan), _cost(setup, other.plan), revenue)
            for other, revenue in zip(others, of_others, strict=True)
            if reaches(revenue, target)
        ),
        warnings=(),
    )
    return replace(made, warnings=plan_warnings(setup, made, dated.too_late, forecast.warnings))


def _forward_query(
    query: PlanQuery, levers: Mapping[str, float], steps: tuple[LeverStep, ...] = ()
) -> ForwardQuery:
    return ForwardQuery(
        query.studio_id,
        query.base_month,
        query.target_months,
        levers,
        steps,
        CHANCE_LEVELS,
        studio_type=query.studio_type,
        class_capacity=query.class_capacity,
    )


def _alternatives(
    setup: PlanSetup, best: Solution, impacts: Mapping[int, float], most: int
) -> list[Solution]:
    """Solutions that reach the target without the main levers of the solutions before."""
    found: list[Solution] = []
    solution, shares, forbidden = best, impacts, setup
    while solution.reaches and len(found) < most:
        if (main := _main_lever(setup, solution, shares)) is None:
            break
        forbidden = _without(forbidden, main)
        solution = solve(forbidden, thorough=False)
        if solution.reaches:
            found.append(solution)
        if solution.reaches and len(found) < most:
            shares = shapley_split(setup.problem.present, solution.plan, setup.revenue)
    return found


def _main_lever(setup: PlanSetup, solution: Solution, impacts: Mapping[int, float]) -> int | None:
    """Index of the lever with effort that has the largest gain; None without any effort."""
    efforts = setup.problem.efforts(solution.plan[:, None])[:, 0]
    done = [place for place in impacts if efforts[place] > 0]
    return max(done, key=lambda place: impacts[place], default=None)


def _without(setup: PlanSetup, place: int) -> PlanSetup:
    """The problem with one lever held at its present; one that responds may still fall with its response."""
    high, low = setup.problem.high.copy(), setup.problem.low.copy()
    high[place] = setup.problem.present[place]
    if HELD_LEVERS[place] not in ("retention_rate", "new_members_monthly"):
        low[place] = high[place]
    return replace(setup, problem=replace(setup.problem, low=low, high=high))


def _cost(setup: PlanSetup, plan: FloatArray) -> float:
    """Cost of all effort over the target's months, currency."""
    return float(setup.costs @ setup.problem.efforts(plan[:, None])[:, 0]) * setup.query.target_months


def _all_eight(setup: PlanSetup, plan: FloatArray) -> dict[str, float | None]:
    levers = setup.levers(plan)
    return {lever: levers.get(lever) for lever in LEVER_BOUNDS}
