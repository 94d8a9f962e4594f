"""Studio types and the constant traits of each generated studio.

The figures are round assumptions about such studios and are not fitted to real data. Everything that changes
from month to month is in `state`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtr

from studio_pipeline.panel.arrays import FloatArray, IntArray
from studio_pipeline.panel.generator.options import GeneratorConfig, PlantedResponses

Season = tuple[int, int, int, int, int, int, int, int, int, int, int, int]
"""Per cent above or below the year's level, January to December (of log odds, for retention)."""


@dataclass(frozen=True)
class TypeTraits:
    """A typical studio of one type; single studios scatter around it."""

    members: float  # members the studio settles at
    ticket: float  # membership price a month, currency
    retention: float  # of an ordinary month, 0..1
    visits: float  # a member and month
    upsell_rate: float  # members who buy an extra, 0..1
    pack_share: float  # visits paid by class pack over visits of members
    retail_spend: float  # goods bought a member and month, currency
    shock_exposure: float  # factor on the common shock, 1 for the average type
    phase_weights: tuple[float, float, float, float]  # of new, growing, settled and declining; adds up to 1
    new_season: Season  # of new members
    visits_season: Season  # of visits a member
    retention_season: Season


NEUTRAL = TypeTraits(
    members=330, ticket=130, retention=0.938, visits=5.5, upsell_rate=0.20,
        pack_share=0.07, retail_spend=5.0, shock_exposure=0.95, phase_weights=(0.15, 0.25, 0.40, 0.20),
    new_season=(25, 8, 5, 0, -4, -9, -12, -8, 10, 4, -6, -13),
    visits_season=(6, 4, 3, 1, 0, -3, -6, -6, 2, 3, 1, -5),
    retention_season=(6, -3, -2, 2, 0, -4, -6, -4, 5, 4, 3, -1),
)  # fmt: skip
"""Traits of types that are not in `KNOWN_TYPES`."""

KNOWN_TYPES: dict[str, TypeTraits] = {
    "Yoga": TypeTraits(
        members=310, ticket=112, retention=0.936, visits=5.0, upsell_rate=0.17,
        pack_share=0.11, retail_spend=5.5, shock_exposure=0.75, phase_weights=(0.15, 0.25, 0.40, 0.20),
        new_season=(34, 10, 4, 0, -6, -12, -18, -12, 18, 6, -8, -16),
        visits_season=(9, 6, 4, 1, -2, -6, -10, -9, 5, 5, 2, -5),
        retention_season=(10, -4, -4, 2, 0, -8, -10, -4, 8, 6, 4, 0),
    ),
    "Pilates": TypeTraits(
        members=290, ticket=178, retention=0.946, visits=4.4, upsell_rate=0.25,
        pack_share=0.09, retail_spend=6.5, shock_exposure=0.85, phase_weights=(0.20, 0.40, 0.30, 0.10),
        new_season=(22, 12, 12, 8, 2, -8, -16, -20, 10, 6, -8, -20),
        visits_season=(5, 5, 4, 3, 1, -3, -8, -9, 3, 4, 2, -7),
        retention_season=(6, 2, 2, 2, 0, -6, -10, -6, 6, 4, 2, -2),
    ),
    "CrossFit": TypeTraits(
        members=255, ticket=162, retention=0.951, visits=8.6, upsell_rate=0.21,
        pack_share=0.03, retail_spend=9.0, shock_exposure=0.95, phase_weights=(0.10, 0.25, 0.45, 0.20),
        new_season=(26, 12, 14, 10, 8, -2, -10, -10, 2, -8, -18, -24),
        visits_season=(5, 4, 4, 3, 2, 0, -3, -4, 1, 0, -4, -8),
        retention_season=(4, 0, 4, 4, 2, 0, -4, -4, 2, 0, -4, -4),
    ),
    "Cycling": TypeTraits(
        members=410, ticket=134, retention=0.926, visits=6.0, upsell_rate=0.19,
        pack_share=0.13, retail_spend=4.0, shock_exposure=1.15, phase_weights=(0.10, 0.15, 0.40, 0.35),
        new_season=(44, 26, 12, -8, -22, -32, -36, -26, 8, 18, 20, -4),
        visits_season=(16, 14, 9, -1, -9, -16, -19, -14, 0, 7, 11, 2),
        retention_season=(12, 8, 2, -8, -14, -14, -8, 0, 8, 8, 6, 0),
    ),
    "Dance": TypeTraits(
        members=360, ticket=88, retention=0.931, visits=4.8, upsell_rate=0.14,
        pack_share=0.08, retail_spend=6.0, shock_exposure=1.05, phase_weights=(0.15, 0.20, 0.50, 0.15),
        new_season=(16, 2, 0, -4, -10, -28, -40, -8, 58, 24, 0, -10),
        visits_season=(3, 4, 5, 6, 8, 2, -24, -20, 5, 7, 6, -2),
        retention_season=(4, 2, 4, 6, 2, -26, -22, 2, 12, 8, 6, 2),
    ),
}  # fmt: skip


N_TRAITS = 16
"""Standard normals drawn for each studio's traits."""
PHASES = ((0.5, 1.0, 14.0), (0.8, 1.12, 30.0), (1.0, 1.0, 30.0), (1.1, 0.8, 40.0))
"""New, growing, settled, declining: demand at the start and at the end, as multiples of the settled size,
and the time constant of the transition, months."""


@dataclass(frozen=True)
class Fleet:
    """Traits of S studios; (S,) each unless stated otherwise."""

    studio_ids: NDArray[np.str_]
    studio_types: NDArray[np.str_]
    size: FloatArray  # members the studio settles at in an ordinary market
    # demand_start, demand_end, demand_months: course of demand over `size`, see `PHASES`.
    demand_start: FloatArray
    demand_end: FloatArray
    demand_months: FloatArray
    ticket: FloatArray  # base price a month, currency; the reference price is this times the price level
    list_price: FloatArray  # price asked before the first month, currency
    retention: FloatArray  # monthly retention at comfort, 0..1
    visits: FloatArray  # visits a member and month
    classes: FloatArray  # classes a month that fit `size`
    seats: FloatArray  # seats per class, whole
    hours: FloatArray  # hours paid per head of staff and month
    staff: FloatArray  # heads before the first month, whole
    # upsell_rate, upsell_spend, pack_price, pack_share, retail_spend: see `TypeTraits`; spends in currency.
    upsell_rate: FloatArray
    upsell_spend: FloatArray
    pack_price: FloatArray
    pack_share: FloatArray
    retail_spend: FloatArray
    exposure: FloatArray  # factor on the common shock
    price_sensitivity: FloatArray  # factor on both planted price effects, mean 1
    review_month: IntArray  # month of the year in which prices are reviewed, 0..11
    # new_season, visits_season, retention_season: (12, S), additive on the log, log and log-odds scale.
    new_season: FloatArray
    visits_season: FloatArray
    retention_season: FloatArray


def build_fleet(options: GeneratorConfig, responses: PlantedResponses, noise: FloatArray) -> Fleet:
    """Draw the studios of a configuration from (N_TRAITS, S) standard normals."""
    z = np.clip(noise, -2.0, 2.0)
    codes = np.arange(options.studios) % len(options.types)
    types = [KNOWN_TYPES.get(name, NEUTRAL) for name in options.types]

    def typed(name: str) -> FloatArray:
        return np.array([getattr(traits, name) for traits in types], dtype=np.float64)[codes]

    size = typed("members") * np.exp(0.42 * z[0] - 0.05)
    phase_edges = np.cumsum([traits.phase_weights for traits in types], axis=1)[:, :-1][codes]
    phases = (ndtr(noise[1])[:, None] > phase_edges).sum(axis=1)
    start, end, months = np.asarray(PHASES)[phases].T
    ticket = typed("ticket") * np.exp(0.14 * z[2])
    visits = typed("visits") * np.exp(0.08 * z[4])
    classes = 112 * (size / 170) ** 0.6 * np.exp(0.14 * z[5])
    seats = np.rint(size * visits / (classes * (0.645 + 0.055 * z[6])))
    hours = 30 * np.exp(0.1 * z[7])
    amplitude = responses.season_strength * np.exp(0.2 * z[8])
    staff = np.rint(workload_hours(classes, size * start) / (hours * (0.785 + 0.03 * z[10])))
    return Fleet(
        studio_ids=np.array([f"studio-{number:05d}" for number in range(1, options.studios + 1)]),
        studio_types=np.asarray(options.types)[codes],
        size=size,
        demand_start=start,
        demand_end=end,
        demand_months=months,
        ticket=ticket,
        list_price=np.rint(ticket * np.exp(0.045 * z[3])),
        retention=expit(logit(typed("retention")) + 0.14 * z[9]),
        visits=visits,
        classes=classes,
        seats=seats,
        hours=hours,
        staff=np.maximum(3.0, staff),
        upsell_rate=typed("upsell_rate") * np.exp(0.18 * z[11]),
        upsell_spend=0.36 * ticket * np.exp(0.2 * z[12]),
        pack_price=1.5 * ticket / visits,
        pack_share=typed("pack_share") * np.exp(0.3 * z[13]),
        retail_spend=typed("retail_spend") * np.exp(0.3 * z[14]),
        exposure=typed("shock_exposure") * np.exp(0.12 * z[8]),
        price_sensitivity=np.exp(responses.studio_spread * noise[15] - responses.studio_spread**2 / 2),
        review_month=np.floor(12 * ndtr(noise[3])).astype(np.int64) % 12,
        new_season=typed("new_season").T / 100 * amplitude,
        visits_season=typed("visits_season").T / 100 * amplitude,
        retention_season=typed("retention_season").T / 100 * amplitude,
    )


def workload_hours(classes: FloatArray, members: FloatArray) -> FloatArray:
    """Hours of work with clients in a month: classes with preparation, and time for individual members."""
    return 1.25 * classes + 0.45 * members
