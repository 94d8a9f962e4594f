"""What owners decide: prices, timetables and payroll. None of it looks at retention or at new members."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from studio_pipeline.panel.arrays import FloatArray
from studio_pipeline.panel.generator.randomness import StudioNoise, happens
from studio_pipeline.panel.generator.state import State, World

REVIEW_CHANCE = 0.85
"""Chance that the yearly price review takes place."""
MID_YEAR_CHANCE = 0.008
"""Chance of a price change in any other month: a competitor opens, a landlord calls."""
LARGEST_PRICE_STEPS = (-0.06, 0.10)
"""Largest cut and rise at once, log scale."""


def decide_list_price(world: World, state: State, month: int, noise: StudioNoise) -> FloatArray:
    """The price asked this month, whole currency units: changed at the yearly review, seldom in between.

    The aim lies around the reference price: studios that raised boldly stand still for a while, those behind
    catch up, few cut; between reviews the common price level drifts on without them.
    """
    fleet = world.fleet
    reference = fleet.ticket * state.price_level
    due = (fleet.review_month == world.calendar_months[month]) & happens(noise.price_review, REVIEW_CHANCE)
    reviewed = due | happens(-noise.price_review, MID_YEAR_CHANCE)
    reviewed &= world.closure[month] < 0.5
    step = np.log(reference / state.list_price) + 0.01 + 0.06 * noise.price_target
    worth_it = (step > 0.02) | (step < -0.075)
    asked = np.rint(state.list_price * np.exp(np.clip(step, *LARGEST_PRICE_STEPS)))
    return np.where(reviewed & worth_it, asked, state.list_price)


def decide_classes(state: State, noise: StudioNoise) -> FloatArray:
    """Classes on the ordinary timetable: added where full, cut where empty, changed on a whim."""
    full = happens(noise.timetable_change, 0.22) & (state.attendance_rate > 0.75)
    empty = happens(noise.timetable_change, 0.18) & (state.attendance_rate < 0.56) & (state.disruption < 0.1)
    whim = happens(-noise.timetable_change, 0.035)
    size = 0.05 + 0.08 * ndtr(noise.timetable_size)
    step = np.where(whim, np.sign(noise.timetable_size) * size * 1.3, full * size - empty * size)
    return np.asarray(np.clip(state.planned_classes * np.exp(step), 78.0, 440.0))


def decide_staff(state: State, noise: StudioNoise) -> FloatArray:
    """Heads on the payroll: hired where overworked, not replaced where idle; some leave."""
    chance = ndtr(noise.staffing_change)
    busy, idle = state.utilization > 0.85, state.utilization < 0.72
    hired = busy & (chance < 0.30) | (chance > 0.985)
    left = (
        idle & (chance < 0.20) | ~busy & ~idle & (chance < 0.03) | busy & (chance > 0.95) & (chance <= 0.985)
    )
    return np.asarray(state.staff + hired - (left & (state.staff > 3)))
