"""Plans of small fleets, and what they are asked."""

from dataclasses import replace
from functools import cache

import numpy as np

from studio_pipeline.forecasting.base.given_levers import HELD_LEVERS
from studio_pipeline.forecasting.base.queries import ForwardQuery, LeverEffect
from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline.planning.configuration import PlanningConfig
from studio_pipeline.planning.inverse.planner import make_plan
from studio_pipeline.planning.inverse.queries import Plan, PlanQuery
from studio_pipeline.planning.inverse.setup import PlanSetup, plan_setup
from studio_pipeline_tests.forecasting.fleets import small_fleet

DEFAULTS = PlanningConfig()
ONLY_THE_BEST = PlanningConfig(most_alternatives=0)


PLANTED = {
    "retention": {"price": -1.2, "fullness": 0.5, "crowding": -2.0, "overwork": -2.5},
    "acquisition": {"price": -0.8, "crowding": -0.5, "overwork": -0.4},
    "visits": {"classes": 0.3},
    "utilization": {"classes": 0.2},
}
"""Responses clearer than the months of a small fleet show."""


@cache
def forecaster(with_learners: bool = False) -> Forecaster:
    """Of the small fleet, its members responding as planted; some of its studios lack columns."""
    model = small_fleet().model_of_all if with_learners else small_fleet().model
    effects = {
        flow: {name: LeverEffect(effect, 0.1, studio_share=1.0) for name, effect in slopes.items()}
        for flow, slopes in PLANTED.items()
    }
    responses = replace(model.core.responses, effects=effects, own={})
    return Forecaster(replace(model, core=replace(model.core, responses=responses)), small_fleet().panel)


def studio(row: int, at_hand: Forecaster | None = None) -> str:
    return str((at_hand or forecaster()).panel.studio_ids[row])


def plan(query: PlanQuery, at_hand: Forecaster | None = None, configuration=ONLY_THE_BEST) -> Plan:
    return make_plan(at_hand or forecaster(), query, configuration)


def present_revenue(query: PlanQuery, at_hand: Forecaster | None = None) -> float:
    return plan(replace(query, target_revenue=0.01), at_hand).present_revenue


def lifted(query: PlanQuery, lift: float, at_hand: Forecaster | None = None) -> PlanQuery:
    """The question with a target of its present revenue times `lift`."""
    return replace(query, target_revenue=round(present_revenue(query, at_hand) * lift, 2))


def setup_of(query: PlanQuery, at_hand: Forecaster | None = None, configuration=ONLY_THE_BEST) -> PlanSetup:
    at_hand = at_hand or forecaster()
    asked = ForwardQuery(query.studio_id, query.base_month, levers=query.current_state)
    return plan_setup(at_hand.origin(asked), at_hand.panel, query, configuration)


def drawn_question(at_hand: Forecaster, seed: int, row: int | None = None) -> PlanQuery:
    """A studio (where none is given), a target, frozen levers and costs, all drawn."""
    rng = np.random.default_rng(seed)
    rows = [row for row in range(at_hand.panel.n_studios) if at_hand.panel.last_months[row] >= 0]
    drawn = int(rng.choice(rows))
    query = PlanQuery(studio(drawn if row is None else row, at_hand), 0.01)
    levers = setup_of(query, at_hand).present
    held = [lever for lever in levers if lever != "current_member_count"]
    frozen = rng.choice(held, rng.integers(0, 4), replace=False).tolist()
    query = replace(
        query,
        target_months=int(rng.choice([1, 3, 6, 12])),
        target_kind="month" if rng.random() < 0.5 else "total",
        frozen_levers=frozenset(frozen),
        is_least_cost=bool(rng.random() < 0.8),
    )
    costs = setup_of(query, at_hand).costs * np.exp(rng.normal(0, 1.2, 7))
    query = replace(query, lever_costs=dict(zip(HELD_LEVERS, costs.tolist(), strict=True)))
    return lifted(query, float(rng.choice([1.01, 1.03, 1.06, 1.1, 1.2, 1.5])), at_hand)
