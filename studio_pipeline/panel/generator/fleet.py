"""The studios themselves: what stays the same about each of them over its months, drawn around its type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtr

from studio_pipeline.panel.arrays import FloatArray, IntArray
from studio_pipeline.panel.generator.options import GeneratorOptions
from studio_pipeline.panel.generator.responses import PlantedResponses
from studio_pipeline.panel.generator.studio_types import TypeTraits, traits_of

N_TRAITS = 16
"""Standard normals drawn for each studio's traits."""

PHASES: tuple[tuple[float, float, float], ...] = (
    (0.5, 1.0, 14.0),
    (0.8, 1.12, 30.0),
    (1.0, 1.0, 30.0),
    (1.1, 0.8, 40.0),
)
"""New, growing, settled, declining: demand at the start and in the end over the settled size, and
the months that most of the way takes."""


@dataclass(frozen=True)
class Fleet:
    """Traits of S studios; (S,) each unless said otherwise.

    Attributes:
        studio_ids, studio_types: names.
        size: members the studio settles at in an ordinary market.
        demand_start, demand_end, demand_months: course of demand over `size`, see `PHASES`.
        ticket: base price a month, currency; the reference price is this times the common price level.
        list_price: price asked before the first month, currency.
        retention: monthly retention at comfort, 0..1.
        visits: visits a member and month.
        classes: classes a month that fit `size`.
        seats: seats per class, whole.
        hours: hours paid per head of staff and month.
        staff: heads before the first month, whole.
        upsell_rate, upsell_spend, pack_price, pack_share, retail_spend: see `TypeTraits`; spends in currency.
        exposure: how hard the common shock hits.
        price_sensitivity: factor on both planted price effects, mean 1.
        review_month: month of the year in which prices are reviewed, 0..11.
        new_season, visits_season, retention_season: (12, S), additive on the log, log and log-odds scale.
    """

    studio_ids: NDArray[np.str_]
    studio_types: NDArray[np.str_]
    size: FloatArray
    demand_start: FloatArray
    demand_end: FloatArray
    demand_months: FloatArray
    ticket: FloatArray
    list_price: FloatArray
    retention: FloatArray
    visits: FloatArray
    classes: FloatArray
    seats: FloatArray
    hours: FloatArray
    staff: FloatArray
    upsell_rate: FloatArray
    upsell_spend: FloatArray
    pack_price: FloatArray
    pack_share: FloatArray
    retail_spend: FloatArray
    exposure: FloatArray
    price_sensitivity: FloatArray
    review_month: IntArray
    new_season: FloatArray
    visits_season: FloatArray
    retention_season: FloatArray


def build_fleet(options: GeneratorOptions, responses: PlantedResponses, noise: FloatArray) -> Fleet:
    """Draw the studios of these options from (N_TRAITS, S) standard normals."""
    z = np.clip(noise, -2.0, 2.0)
    codes = np.arange(options.studios) % len(options.types)
    types = [traits_of(name) for name in options.types]
    size = _typed(types, codes, "members") * np.exp(0.42 * z[0] - 0.05)
    start, end, months = np.asarray(PHASES)[_phases(types, codes, noise[1])].T
    ticket = _typed(types, codes, "ticket") * np.exp(0.14 * z[2])
    visits = _typed(types, codes, "visits") * np.exp(0.08 * z[4])
    classes = 112 * (size / 170) ** 0.6 * np.exp(0.14 * z[5])
    seats = np.rint(size * visits / (classes * (0.645 + 0.055 * z[6])))
    hours = 30 * np.exp(0.1 * z[7])
    amplitude = responses.season_strength * np.exp(0.2 * z[8])
    return Fleet(
        studio_ids=np.array([f"studio-{number:05d}" for number in range(1, options.studios + 1)]),
        studio_types=np.asarray(options.types)[codes],
        size=size,
        demand_start=start,
        demand_end=end,
        demand_months=months,
        ticket=ticket,
        list_price=np.rint(ticket * np.exp(0.045 * z[3])),
        retention=expit(logit(_typed(types, codes, "retention")) + 0.14 * z[9]),
        visits=visits,
        classes=classes,
        seats=seats,
        hours=hours,
        staff=np.maximum(
            3.0, np.rint(workload_hours(classes, size * start) / (hours * (0.785 + 0.03 * z[10])))
        ),
        upsell_rate=_typed(types, codes, "upsell_rate") * np.exp(0.18 * z[11]),
        upsell_spend=0.36 * ticket * np.exp(0.2 * z[12]),
        pack_price=1.5 * ticket / visits,
        pack_share=_typed(types, codes, "pack_share") * np.exp(0.3 * z[13]),
        retail_spend=_typed(types, codes, "retail_spend") * np.exp(0.3 * z[14]),
        exposure=_typed(types, codes, "shock_exposure") * np.exp(0.12 * z[8]),
        price_sensitivity=np.exp(responses.studio_spread * noise[15] - responses.studio_spread**2 / 2),
        review_month=np.floor(12 * ndtr(noise[3])).astype(np.int64) % 12,
        new_season=_season(types, codes, "new_season") * amplitude,
        visits_season=_season(types, codes, "visits_season") * amplitude,
        retention_season=_season(types, codes, "retention_season") * amplitude,
    )


def workload_hours(classes: FloatArray, members: FloatArray) -> FloatArray:
    """Hours of work with clients in a month: classes with their preparation, and time for single members."""
    return 1.25 * classes + 0.45 * members


def _typed(types: Sequence[TypeTraits], codes: IntArray, name: str) -> FloatArray:
    return np.array([getattr(traits, name) for traits in types], dtype=np.float64)[codes]


def _season(types: Sequence[TypeTraits], codes: IntArray, name: str) -> FloatArray:
    return np.array([getattr(traits, name) for traits in types], dtype=np.float64)[codes].T / 100


def _phases(types: Sequence[TypeTraits], codes: IntArray, noise: FloatArray) -> IntArray:
    edges = np.cumsum([traits.phase_weights for traits in types], axis=1)[:, :-1][codes]
    return np.asarray((ndtr(noise)[:, None] > edges).sum(axis=1), dtype=np.int64)
