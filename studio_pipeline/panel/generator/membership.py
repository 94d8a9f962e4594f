"""Who joins and who stays: where the planted responses act."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, logit, ndtr

from studio_pipeline.panel.arrays import FloatArray
from studio_pipeline.panel.generator.conditions import Conditions
from studio_pipeline.panel.generator.randomness import StudioNoise
from studio_pipeline.panel.generator.state import HeldLevers, State, World, held_or

LOYAL_CORE = 85.0
"""Below this stock those who are left are friends of the house, and stay."""
SMALLEST_STOCK, MOST_NEW_MEMBERS = 50.0, 100.0
"""No studio falls below, or takes in more in a month, unless levers are held so that it does."""


def new_members(
    world: World, state: State, month: int, noise: StudioNoise, conditions: Conditions, held: HeldLevers
) -> FloatArray:
    """Members who join this month, whole."""
    fleet = world.fleet
    course = np.exp(-month / fleet.demand_months)
    demand = fleet.size * (fleet.demand_end + (fleet.demand_start - fleet.demand_end) * course)
    log_pull = (
        fleet.new_season[world.calendar_months[month]]
        + state.market_acquisition
        + state.acquisition_mood
        + state.reputation
        + world.responses.price_on_acquisition * fleet.price_sensitivity * conditions.price_gap
        + conditions.promoted
        + state.buzz
        + world.rebound[month] * fleet.exposure * world.responses.shock_strength
        - 1.1 * conditions.shut
        - 0.8 * state.disruption
    )
    mean = demand * (1 - fleet.retention) * np.exp(log_pull)
    free = np.clip(np.rint(mean + np.sqrt(mean) * noise.joins), 0.0, MOST_NEW_MEMBERS)
    return _whole(held_or(held, "new_members_monthly", free), noise.joins)


def free_retention(world: World, state: State, month: int, conditions: Conditions) -> FloatArray:
    """The retention rate that the month's conditions lead to, 0..1."""
    fleet, planted = world.fleet, world.responses
    crowded = np.maximum(conditions.attendance_rate - planted.comfortable_attendance_rate, 0.0)
    overworked = np.maximum(conditions.utilization - planted.comfortable_staff_utilization, 0.0)
    log_odds = (
        logit(fleet.retention)
        + fleet.retention_season[world.calendar_months[month]]
        + state.market_retention
        + state.retention_mood
        + planted.price_on_retention * fleet.price_sensitivity * conditions.price_gap
        + planted.crowding_on_retention * crowded
        + planted.overwork_on_retention * overworked
        - 0.65 * conditions.shut
        - 0.6 * state.disruption
        + 3.0 * np.log(np.maximum(LOYAL_CORE / np.maximum(state.members, 1.0), 1.0))
    )
    return np.asarray(expit(log_odds))


def churned_members(
    state: State, noise: StudioNoise, retention: FloatArray, new: FloatArray, held: HeldLevers
) -> FloatArray:
    """Members who leave this month, whole, at a free retention rate or at the held one."""
    mean = state.members * (1 - retention)
    free = np.rint(mean + np.sqrt(mean * retention) * noise.churn)
    free = np.clip(free, 0.0, np.clip(state.members + new - SMALLEST_STOCK, 0.0, state.members))
    kept = held_or(held, "retention_rate", np.asarray(np.nan))
    return np.where(np.isnan(kept), free, _whole(state.members * (1 - kept), noise.churn))


def _whole(value: FloatArray, noise: FloatArray) -> FloatArray:
    """A whole number that is right on average: up or down by chance, in proportion to the fraction."""
    return np.floor(value + np.where(value == np.rint(value), 0.0, ndtr(noise)))
