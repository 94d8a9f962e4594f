"""What moves by itself: the market, each studio's luck, floods and viral videos; and what owners decide."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.special import ndtr

from studio_pipeline.panel.arrays import FloatArray
from studio_pipeline.panel.generator.decisions import decide_classes, decide_list_price, decide_staff
from studio_pipeline.panel.generator.randomness import MarketNoise, StudioNoise, happens
from studio_pipeline.panel.generator.state import State, World

FLOOD_CHANCE, VIRAL_CHANCE = 0.003, 0.004
"""Chances a studio and month of rooms under water, and of a video that a whole town watches."""


def drift(world: World, state: State, month: int, noise: StudioNoise, market: MarketNoise) -> State:
    """The state with this month's luck and decisions; the stock of members is still the old one."""
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
