"""Monthly drift of the generated fleet: autoregressive noise, rare events and the owners' decisions.

Updates noise, events and decisions at the start of a month; joiners, leavers and revenue are in `dynamics`.
Decisions on price, timetable and staff don't depend on retention or new members.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.special import ndtr

from studio_pipeline.panel.arrays import FloatArray
from studio_pipeline.panel.generator.randomness import MarketNoise, StudioNoise, happens
from studio_pipeline.panel.generator.state import State, World

REVIEW_CHANCE = 0.85
"""Chance that the yearly price review takes place."""
MID_YEAR_CHANCE = 0.008
"""Chance of a price change in any other month, such as after a competitor opens or the rent rises."""
LARGEST_PRICE_STEPS = (-0.06, 0.10)
"""Largest price cut and rise in one step, log scale."""


def decide_list_price(world: World, state: State, month: int, noise: StudioNoise) -> FloatArray:
    """The list price of this month, whole currency units: changed at the yearly review, seldom in between.

    The target lies around the reference price. Studios well above it keep their price for a while, those
    below catch up, and few cut; between reviews the common price level drifts on.
    """
    fleet = world.fleet
    reference = fleet.ticket * state.price_level
    due = (fleet.review_month == world.calendar_months[month]) & happens(noise.price_review, REVIEW_CHANCE)
    reviewed = due | happens(-noise.price_review, MID_YEAR_CHANCE)
    reviewed &= world.closure[month] < 0.5
    step = np.log(reference / state.list_price) + 0.01 + 0.06 * noise.price_target
    worth_it = (step > 0.02) | (step < -0.075)
    new_price = np.rint(state.list_price * np.exp(np.clip(step, *LARGEST_PRICE_STEPS)))
    return np.where(reviewed & worth_it, new_price, state.list_price)


def decide_classes(state: State, noise: StudioNoise) -> FloatArray:
    """Classes on the ordinary timetable: added where full, cut where empty, sometimes changed at random."""
    full = happens(noise.timetable_change, 0.22) & (state.attendance_rate > 0.75)
    empty = happens(noise.timetable_change, 0.18) & (state.attendance_rate < 0.56) & (state.disruption < 0.1)
    random_change = happens(-noise.timetable_change, 0.035)
    size = 0.05 + 0.08 * ndtr(noise.timetable_size)
    step = np.where(random_change, np.sign(noise.timetable_size) * size * 1.3, full * size - empty * size)
    return np.asarray(np.clip(state.planned_classes * np.exp(step), 78.0, 440.0))


def decide_staff(state: State, noise: StudioNoise) -> FloatArray:
    """Heads on the payroll: hired where overworked, not replaced where idle; a few leave at random."""
    chance = ndtr(noise.staffing_change)
    busy, idle = state.utilization > 0.85, state.utilization < 0.72
    hired = busy & (chance < 0.30) | (chance > 0.985)
    left = (
        idle & (chance < 0.20) | ~busy & ~idle & (chance < 0.03) | busy & (chance > 0.95) & (chance <= 0.985)
    )
    return np.asarray(state.staff + hired - (left & (state.staff > 3)))


FLOOD_CHANCE, VIRAL_CHANCE = 0.003, 0.004
"""Probabilities per studio and month of a flood and of a viral video."""


def drift(world: World, state: State, month: int, noise: StudioNoise, market: MarketNoise) -> State:
    """The state after this month's noise, events and decisions; the stock of members is not changed yet."""
    level_growth = world.responses.price_drift + 0.0008 * market.price_level
    moved = replace(
        state,
        market_retention=_autoregressive(state.market_retention, 0.75, 0.025, market.retention),
        market_acquisition=_autoregressive(state.market_acquisition, 0.85, 0.03, market.acquisition),
        price_level=state.price_level * np.exp(level_growth),
        retention_mood=_autoregressive(state.retention_mood, 0.7, 0.05, noise.retention),
        acquisition_mood=_autoregressive(state.acquisition_mood, 0.6, 0.08, noise.acquisition),
        reputation=_autoregressive(state.reputation, 0.98, 0.022, noise.reputation),
        visits_mood=_autoregressive(state.visits_mood, 0.75, 0.035, noise.attendance),
        upsell_mood=_autoregressive(state.upsell_mood, 0.88, 0.06, noise.upsell),
        disruption=_event(
            state.disruption, 0.35, noise.flood, FLOOD_CHANCE, 0.45 + 0.4 * ndtr(noise.flood_size)
        ),
        buzz=_event(state.buzz, 0.4, noise.viral_video, VIRAL_CHANCE, 0.5 + 0.4 * ndtr(noise.viral_size)),
    )
    return replace(
        moved,
        list_price=decide_list_price(world, moved, month, noise),
        planned_classes=decide_classes(moved, noise),
        staff=decide_staff(moved, noise),
    )


def _autoregressive(value: FloatArray, memory: float, scatter: float, noise: FloatArray) -> FloatArray:
    return memory * value + scatter * noise


def _event(
    value: FloatArray, memory: float, noise: FloatArray, chance: float, size: FloatArray
) -> FloatArray:
    return np.maximum(memory * value, np.where(happens(noise, chance), size, 0.0))
