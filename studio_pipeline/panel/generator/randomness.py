"""Random streams: child seeds for each studio, the market, the coefficients and the futures.

All randomness is drawn as standard normals, month by month, so that more studios or later months don't
change earlier draws. The transformations to rates, counts and events are in `fleet` and `dynamics`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

from studio_pipeline.panel.arrays import BoolArray, FloatArray

MARKET, STUDIO, RESPONSES, FUTURE = range(4)


class StudioNoise(NamedTuple):
    """Standard normals of one month; each (..., S)."""

    price_mix: FloatArray
    price_review: FloatArray
    price_target: FloatArray
    timetable_change: FloatArray
    timetable_size: FloatArray
    class_count: FloatArray
    staffing_change: FloatArray
    utilization: FloatArray
    attendance: FloatArray
    retention: FloatArray
    churn: FloatArray
    acquisition: FloatArray
    reputation: FloatArray
    joins: FloatArray
    promotion: FloatArray
    promotion_size: FloatArray
    flood: FloatArray
    flood_size: FloatArray
    viral_video: FloatArray
    viral_size: FloatArray
    upsell: FloatArray
    upsell_spend: FloatArray
    class_packs: FloatArray
    retail: FloatArray


class MarketNoise(NamedTuple):
    """Standard normals that all studios share in one month; each () or (D, 1)."""

    retention: FloatArray
    acquisition: FloatArray
    price_level: FloatArray


def _generator(seed: int, *key: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))


def responses_generator(seed: int) -> np.random.Generator:
    """The random generator of a varied world's coefficients."""
    return _generator(seed, RESPONSES)


def market_noise(seed: int, n_months: int) -> FloatArray:
    """(T, 3) standard normals of the common market."""
    return _generator(seed, MARKET).standard_normal((n_months, len(MarketNoise._fields)))


def studio_noise(seed: int, n_studios: int, n_traits: int, n_months: int) -> tuple[FloatArray, FloatArray]:
    """Standard normals of each studio: for its traits, (n_traits, S), and for its months, (T, 24, S)."""
    width = len(StudioNoise._fields)
    drawn = np.empty((n_studios, n_traits + n_months * width))
    for studio in range(n_studios):
        _generator(seed, STUDIO, studio).standard_normal(out=drawn[studio])
    drawn = np.ascontiguousarray(drawn.T)
    return drawn[:n_traits], drawn[n_traits:].reshape(n_months, width, n_studios)


def future_noise(
    seed: int, base: int, draws: int, n_studios: int
) -> Iterator[tuple[StudioNoise, MarketNoise]]:
    """Standard normals after the first `base` months in D = `draws` possible futures: (D, S), and (D, 1).

    Repeated calls give the same futures.
    """
    generator = _generator(seed, FUTURE, base)
    while True:
        market = generator.standard_normal((len(MarketNoise._fields), draws, 1))
        own = generator.standard_normal((len(StudioNoise._fields), draws, n_studios))
        yield StudioNoise(*own), MarketNoise(*market)


def happens(noise: FloatArray, chance: float) -> BoolArray:
    """Boolean mask of events with this probability (0..1), from standard normals."""
    return np.asarray(noise < ndtri(chance))
