"""Uncertainty of a plan's revenue because the members' responses are estimated.

A plan's retention and new members include their response to its other changes. What the posterior of the
responses leaves in doubt moves the revenue that the plan reaches, and with it the chance of its target.
"""

from __future__ import annotations

import numpy as np

from studio_pipeline.forecasting.known_levers import HELD_LEVERS
from studio_pipeline.forecasting.queries import Forecast
from studio_pipeline.forecasting.response_regressors import crowding, overwork
from studio_pipeline.forecasting.response_uncertainty import response_deviation
from studio_pipeline.panel.arrays import FloatArray
from studio_pipeline.planning.levers import ATTENDANCE, STAFF, TICKET
from studio_pipeline.planning.plan_setup import PlanSetup, follows_flows


def plan_deviation(setup: PlanSetup, plan: FloatArray, forecast: Forecast) -> float:
    """Standard deviation of the target's revenue through the responses, currency.

    Args:
        setup: the question; its present is what the responses start from.
        plan: (7,) levers.
        forecast: of the plan, over the target's months.
    """
    if not follows_flows(setup.origin):
        return 0.0
    months = setup.query.target_months
    changes = {name: np.full(months, change) for name, change in _changes(setup, plan).items()}
    by_month = response_deviation(
        setup.origin.effects, forecast.revenue, forecast.retention_rate, changes, levers={}
    )
    # A response that is off is off alike in all months.
    return float(by_month @ setup.target)


def _changes(setup: PlanSetup, plan: FloatArray) -> dict[str, float]:
    """Regressor of the responses to how far a plan moves it from the present, of the carried levers."""
    now, comfort = setup.problem.present, setup.problem.responses
    carried = {place for place in (TICKET, ATTENDANCE, STAFF) if HELD_LEVERS[place] in setup.present}
    found: dict[str, float] = {}
    if TICKET in carried and now[TICKET] > 0 < plan[TICKET]:
        found["price"] = float(np.log(plan[TICKET] / now[TICKET]))
    if ATTENDANCE in carried:
        after, before = crowding(
            np.array([plan[ATTENDANCE], now[ATTENDANCE]]), comfort.comfortable_attendance
        )
        found["fullness"] = float(plan[ATTENDANCE] - now[ATTENDANCE])
        found["crowding"] = float(after - before)
    if STAFF in carried:
        after, before = overwork(np.array([plan[STAFF], now[STAFF]]), comfort.comfortable_utilization)
        found["overwork"] = float(after - before)
    return found
