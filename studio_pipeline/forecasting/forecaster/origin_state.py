"""State of origins: all inputs of an answer that don't depend on levers, as arrays and as plain numbers.

`OriginStates` holds N origins as arrays, for many answers at once; `OriginState` is one of them as plain
numbers. For one answer, calls on arrays of twelve entries take longer than arithmetic on their numbers, and
selecting rows from the arrays of all studios would dominate. States are built and cached in `state_builder`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property

import numpy as np

from studio_pipeline.forecasting.base.bounds import Range
from studio_pipeline.forecasting.base.flows import RATE_MARGIN
from studio_pipeline.forecasting.base.given_levers import FirstMonths, months_from
from studio_pipeline.forecasting.core.flow_terms import FlowTerms
from studio_pipeline.forecasting.core.scalar_simulation import PlainTargets, PlainTerms, plain_terms
from studio_pipeline.forecasting.ensemble.lever_correction import FreeEnsemble, lever_factors
from studio_pipeline.forecasting.features.feature_matrix import RowArray
from studio_pipeline.forecasting.forecaster.requests import carried_levers, shown_ranges
from studio_pipeline.panel.arrays import FloatArray, IntArray


@dataclass(frozen=True)
class OriginStates:
    """States of N origins as arrays; about 8 kB each.

    L and F are 0 for a model without learners.
    """

    rows: IntArray  # (N,) studio rows
    columns: IntArray  # (N,) month columns of the base months
    history_months: IntArray  # (N,) known months up to the base month
    # (N, 8, 2) smallest and largest value of each lever up to the base month, in the order of
    # `LEVER_COLUMNS`; NaN without any value
    shown: FloatArray
    scale: FloatArray  # (N, H) standard deviation of the revenue's log error with every lever free
    terms: FlowTerms  # input of the stock-and-flow core
    core: FloatArray  # (N, 3, H) the core's projection of `TARGETS` with every lever free
    free: FloatArray  # (N, 3, H) the ensemble's forecast of `TARGETS` with every lever free
    kept: FloatArray  # (N, 3, H) result of `lever_correction.kept_factors`
    learned: FloatArray  # (N, 3, H) result of `lever_correction.learned_parts` with every lever free
    learner_shares: FloatArray  # (N, 3, L, H) share of each learner in the ensemble
    learner_rows: RowArray  # (N, H, F) float32 feature rows of the learners with every lever free
    trailing_levels: FloatArray  # (N, 7) result of `lever_features.trailing_levels`

    def __len__(self) -> int:
        """N."""
        return len(self.rows)

    @cached_property
    def plain(self) -> dict[int, OriginState]:
        """Cache of `plain_origin`, by place."""
        return {}

    def take(self, places: IntArray) -> OriginStates:
        """A copy of some of the origins."""
        parts = {f.name: getattr(self, f.name) for f in fields(self)}
        return OriginStates(
            **{n: part.take(places) if n == "terms" else part[places] for n, part in parts.items()}
        )


def joined(parts: list[OriginStates]) -> OriginStates:
    """Concatenates the origins of several blocks."""
    names = [f.name for f in fields(OriginStates) if f.name != "terms"]
    arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return OriginStates(**arrays, terms=FlowTerms.joined([part.terms for part in parts]))


MOST_ORIGINS = 1024
"""Most origins of one block that are cached as plain numbers; about 15 kB each."""

_MOST_SETS = 16
_HIGHEST_RATE = 1 - RATE_MARGIN

PlainFactors = Sequence[tuple[float, float, float, bool]]
"""In each month: factor of revenue, of members, of the odds of retention, and whether a lever is given in
this or an earlier month.
"""


@dataclass(frozen=True, slots=True, eq=False)
class OriginState:
    """State of one origin as plain numbers."""

    terms: PlainTerms  # input of the scalar simulation
    history_months: int  # known months up to the base month
    shown: dict[str, Range]  # lever to its smallest and largest value up to the base month
    carried: frozenset[str]  # levers that can be given with the studio's data
    scale: list[float]  # (12,) standard deviation of the revenue's log error with every lever free
    free: list[tuple[float, float, float]]  # revenue, members, retention of each month, levers free
    ensemble: FreeEnsemble  # core and ensemble with every lever free, (3, 12) each
    factors: dict[FirstMonths, PlainFactors] = field(default_factory=dict)  # cached by first months

    def factors_since(self, first: FirstMonths) -> PlainFactors:
        """Factors under levers given from these months on, for a model without learners; cached."""
        if (found := self.factors.get(first)) is None:
            if len(self.factors) >= _MOST_SETS:
                self.factors.clear()
            found = self.factors[first] = _plain_factors(self.ensemble, first)
        return found


def plain_origin(prepared: OriginStates, place: int) -> OriginState:
    """The origin at a place as plain numbers, cached in the block."""
    kept = prepared.plain
    if (found := kept.get(place)) is None:
        if len(kept) >= MOST_ORIGINS:
            kept.clear()
        found = kept[place] = _plain(prepared, place)
    return found


def _plain(prepared: OriginStates, place: int) -> OriginState:
    free, shown = prepared.free[place], shown_ranges(prepared.shown[place])
    return OriginState(
        terms=plain_terms(*prepared.terms.plain(place)),
        history_months=int(prepared.history_months[place]),
        shown=shown,
        carried=frozenset(carried_levers(shown)),
        scale=prepared.scale[place].tolist(),
        free=list(zip(*free.tolist(), strict=True)),
        ensemble=FreeEnsemble(prepared.core[place], free, prepared.kept[place], prepared.learned[place]),
    )


def _plain_factors(ensemble: FreeEnsemble, first: FirstMonths) -> PlainFactors:
    months = months_from(first)
    factors = lever_factors(ensemble, months)
    columns = (factors.revenue, factors.members, factors.odds, months.begun)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def corrected(
    origin: OriginState, core: PlainTargets, first: FirstMonths, given_retention: Sequence[float] | None
) -> list[tuple[float, float, float]]:
    """Revenue, members and retention in each month: scalar `lever_correction.under_levers` without learners.
    `given_retention`: given values of `retention_rate`, NaN where free; None if it is free throughout.
    """
    given = given_retention or [math.nan] * len(core[0])
    found = []
    for revenue, members, rate, held, free, (of_revenue, of_members, of_odds, begun) in zip(
        *core, given, origin.free, origin.factors_since(first), strict=True
    ):
        if not begun:
            found.append(free)
            continue
        amount, stays = revenue * of_revenue, held
        if stays != stays:  # noqa: PLR0124 - true for NaN alone, and faster than a call in this inner loop
            inside = RATE_MARGIN if rate < RATE_MARGIN else _HIGHEST_RATE if rate > _HIGHEST_RATE else rate
            odds = inside / (1 - inside) * of_odds
            stays = odds / (1 + odds)
        # Without a projection of the core (NaN), the free forecast is kept.
        found.append((amount if amount == amount else free[0], members * of_members, stays))  # noqa: PLR0124
    return found
