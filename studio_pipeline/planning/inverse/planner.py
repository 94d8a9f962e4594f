"""Planner: from an inverse query to a verified and explained plan, with alternatives.

It only calls the steps in order: setup, solution, attribution, verification by forward answers, explanation
and warnings, each in its own module of this package.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from studio_pipeline.forecasting.base.bounds import LEVER_BOUNDS
from studio_pipeline.forecasting.base.given_levers import HELD_LEVERS
from studio_pipeline.forecasting.base.queries import Forecast, ForwardQuery
from studio_pipeline.panel.arrays import FloatArray
from studio_pipeline.planning.configuration import PlanningConfig
from studio_pipeline.planning.inverse.attribution import binding_limits, shapley_split
from studio_pipeline.planning.inverse.explanation import DatedPlan, actions, dated_plan, lever_changes
from studio_pipeline.planning.inverse.limits import check_plan_query
from studio_pipeline.planning.inverse.queries import Alternative, Plan, PlanQuery
from studio_pipeline.planning.inverse.setup import PlanSetup, plan_setup
from studio_pipeline.planning.inverse.solution import Solution, reaches, solve
from studio_pipeline.planning.inverse.verification import (
    PlanningForecaster,
    certified,
    chance_of,
    check_limits,
    counted_revenue,
    forward_query,
    plan_deviation,
)
from studio_pipeline.planning.inverse.warnings import Reached, plan_warnings


@dataclass(frozen=True)
class _Proved:
    """A solution with the forecaster's answers to it, to its dated form and to the alternatives."""

    solution: Solution
    forecast: Forecast
    dated: DatedPlan
    dated_forecast: Forecast
    others: tuple[tuple[Solution, Forecast], ...]


def make_plan(forecaster: PlanningForecaster, query: PlanQuery, configuration: PlanningConfig) -> Plan:
    """Makes the plan of least cost (or least relative change) that reaches the target, else the nearest one.

    Args:
        forecaster: of the model version and panel.
        query: target, limits and costs.
        configuration: defaults of costs, lead times and limits.

    Raises:
        UnknownStudioError: there are no months of the studio, and not the present of all eight levers.
        BaseMonthError: the studio lacks the base month.
        LeverError: a present value, limit, cost or name can't be taken, or the data carry nothing to plan.
        PlanError: the plan breaks a limit, which is a bug.
    """
    check_plan_query(query)
    origin = forecaster.origin(
        ForwardQuery(
            query.studio_id,
            query.base_month,
            levers=query.current_state,
            studio_type=query.studio_type,
            class_capacity=query.class_capacity,
        )
    )
    setup = plan_setup(origin, forecaster.panel, query, configuration)
    solution = solve(setup)
    impacts = shapley_split(setup.problem.present, solution.plan, setup.revenue)
    others = _alternatives(setup, solution, impacts, configuration.most_alternatives)
    return _explained(
        forecaster, setup, _proved(forecaster, setup, solution, others, configuration), impacts, configuration
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


def _proved(
    forecaster: PlanningForecaster,
    setup: PlanSetup,
    solution: Solution,
    others: list[Solution],
    configuration: PlanningConfig,
) -> _Proved:
    query = setup.query
    for one in (solution, *others):
        check_limits(setup, setup.levers(one.plan))
    dated = dated_plan(setup, solution.plan, configuration.lead_time_weeks.model_dump())
    # In a call of its own, as a client would make: its digits must be those of a forward answer.
    (forecast,) = certified(forecaster, [forward_query(query, setup.levers(solution.plan))])
    asked = [forward_query(query, setup.present, dated.steps)]
    asked += [forward_query(query, setup.levers(other.plan)) for other in others]
    dated_forecast, *rest = certified(forecaster, asked)
    proved = [
        (other, answer)
        for other, answer in zip(others, rest, strict=True)
        if reaches(counted_revenue(answer, query.target_kind), setup.problem.target)
    ]
    return _Proved(solution, forecast, dated, dated_forecast, tuple(proved))


def _explained(
    forecaster: PlanningForecaster,
    setup: PlanSetup,
    proved: _Proved,
    impacts: Mapping[int, float],
    configuration: PlanningConfig,
) -> Plan:
    query, plan = setup.query, proved.solution.plan
    present = setup.problem.present
    efforts = setup.problem.efforts(plan[:, None])[:, 0]
    weeks = configuration.lead_time_weeks.model_dump()
    achievable = counted_revenue(proved.forecast, query.target_kind)
    feasible = reaches(achievable, setup.problem.target)
    dated = counted_revenue(proved.dated_forecast, query.target_kind)
    unchanged = bool(np.all(plan == present))
    limits = () if unchanged and feasible else binding_limits(setup, plan)
    return Plan(
        base_month=setup.origin.base_month,
        target_revenue=query.target_revenue,
        present_revenue=round(float(setup.revenue(present[:, None])[0]), 2),
        achievable_revenue=achievable,
        feasible=feasible,
        recommended_levers=_all_eight(setup, plan),
        lever_changes=lever_changes(setup, plan, impacts, forecaster.panel, configuration),
        action_plan=actions(plan, present, efforts, impacts, weeks),
        lever_plan=proved.dated.steps,
        dated_revenue=dated,
        confidence_score=chance_of(
            proved.forecast,
            setup.problem.target,
            query.target_kind,
            plan_deviation(setup, plan, proved.forecast),
        ),
        plan_cost=_cost(setup, plan),
        binding_limits=limits,
        alternatives=tuple(
            Alternative(
                _all_eight(setup, other.plan),
                _cost(setup, other.plan),
                counted_revenue(answer, query.target_kind),
            )
            for other, answer in proved.others
        ),
        warnings=plan_warnings(
            setup,
            Reached(feasible, unchanged, achievable, proved.dated, dated),
            limits,
            proved.forecast.warnings,
        ),
    )


def _cost(setup: PlanSetup, plan: FloatArray) -> float:
    """Cost of all effort over the target's months, currency."""
    return float(setup.costs @ setup.problem.efforts(plan[:, None])[:, 0]) * setup.query.target_months


def _all_eight(setup: PlanSetup, plan: FloatArray) -> dict[str, float | None]:
    levers = setup.levers(plan)
    return {lever: levers.get(lever) for lever in LEVER_BOUNDS}
