"""What each lever of a plan changes by, brings, takes, and how ordinary that is."""

from __future__ import annotations

from collections.abc import Mapping

from studio_pipeline.forecasting.known_levers import HELD_LEVERS
from studio_pipeline.panel.arrays import FloatArray, StudioPanel
from studio_pipeline.planning.levers import RATES
from studio_pipeline.planning.past_changes import feasibility_score, past_changes
from studio_pipeline.planning.plan_configuration import PlanningConfiguration
from studio_pipeline.planning.plan_queries import CostWord, LeverChange
from studio_pipeline.planning.plan_setup import PlanSetup


def lever_changes(
    setup: PlanSetup,
    plan: FloatArray,
    impacts: Mapping[int, float],
    panel: StudioPanel,
    configuration: PlanningConfiguration,
) -> dict[str, LeverChange]:
    """Lever to its change, of those that a (7,) plan moves or holds against a response.

    Args:
        setup: of the plan.
        plan: (7,) levers.
        impacts: place to share of the gain, currency.
        panel: for what studios have done up to the base month.
        configuration: for the words of costs.
    """
    present = setup.problem.present
    efforts = setup.problem.efforts(plan[:, None])[:, 0]
    months = setup.query.target_months
    held = 1 if setup.query.target_kind == "total" else months
    changes = {}
    for place, lever in enumerate(HELD_LEVERS):
        now, planned = float(present[place]), float(plan[place])
        if planned == now and not efforts[place] > 0:
            continue
        cost, impact = float(setup.costs[place] * efforts[place]) * months, impacts.get(place, 0.0)
        changes[lever] = LeverChange(
            current=now,
            recommended=planned,
            change_pct=100 * (planned / now - 1) if now else None,
            impact_on_revenue=impact,
            feasibility_score=_feasibility(setup, plan, place, panel),
            estimated_cost=cost_word(cost / held, impact, configuration),
            cost=cost,
        )
    return changes


def _feasibility(setup: PlanSetup, plan: FloatArray, place: int, panel: StudioPanel) -> float:
    now, problem = float(setup.problem.present[place]), setup.problem
    change = float(plan[place]) - now
    if not change:
        return 1.0
    limit = float(problem.high[place] if change > 0 else problem.low[place]) - now
    unit = 1.0 if place in RATES or not now else now
    column = min(panel.column_of(setup.origin.base_month), panel.n_months - 1)
    past = past_changes(panel, column, place, setup.query.target_months)
    return feasibility_score(past, change / unit, limit / unit)


def cost_word(cost: float, impact: float, configuration: PlanningConfiguration) -> CostWord:
    """How much of what a change brings it costs, in a word.

    Args:
        cost: over the months that the impact counts, currency.
        impact: on the revenue of those months, currency.
        configuration: for the thresholds.
    """
    if cost <= configuration.low_cost_share * max(impact, 0.0):
        return "low"
    return "medium" if cost <= configuration.medium_cost_share * max(impact, 0.0) else "high"
