"""Prepared state of origins, as arrays and as plain numbers.

Arrays of twelve entries take longer to call than their numbers to add up, and much of the time of one answer
would go into picking its rows out of the arrays of all studios.
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
    """N origins, ready to be asked about; about 8 kB each.

    Attributes:
        rows: (N,) studio rows.
        columns: (N,) month columns of the base months.
        history_months: (N,) known months up to the base month.
        shown: (N, 8, 2) smallest and largest value of each lever up to the base month, in the order of
            `LEVER_COLUMNS`; NaN where none was shown.
        scale: (N, H) deviation of the revenue's log error.
        terms: what the stock-and-flow core runs on.
        core: (N, 3, H) the core's free projection of each of `TARGETS`.
        free: (N, 3, H) the ensemble's free forecast of each of `TARGETS`.
        kept: (N, 3, H) of `lever_ensemble.kept_factors`.
        learned: (N, 3, H) of `lever_ensemble.learned_parts`, every lever free.
        learner_shares: (N, 3, L, H) share of each learner in the ensemble.
        learner_rows: (N, H, F) float32 rows of the learners with every lever free.
        trailing_levels: (N, 7) of `given_features.trailing_levels`.

    L and F are 0 for a model without learners.
    """

    rows: IntArray
    columns: IntArray
    history_months: IntArray
    shown: FloatArray
    scale: FloatArray
    terms: FlowTerms
    core: FloatArray
    free: FloatArray
    kept: FloatArray
    learned: FloatArray
    learner_shares: FloatArray
    learner_rows: RowArray
    trailing_levels: FloatArray

    def __len__(self) -> int:
        """N."""
        return len(self.rows)

    @cached_property
    def plain(self) -> dict[int, OriginState]:
        """Of some places, what `plain_origin` keeps at hand."""
        return {}

    def take(self, places: IntArray) -> OriginStates:
        """Some of the origins, copied."""
        parts = {f.name: getattr(self, f.name) for f in fields(self)}
        return OriginStates(
            **{n: part.take(places) if n == "terms" else part[places] for n, part in parts.items()}
        )


def joined(parts: list[OriginStates]) -> OriginStates:
    """Several one behind the other."""
    names = [f.name for f in fields(OriginStates) if f.name != "terms"]
    arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return OriginStates(**arrays, terms=FlowTerms.joined([part.terms for part in parts]))


MOST_ORIGINS = 1024
"""That are kept as plain numbers, of one release; about 15 kB each."""

_MOST_SETS = 16
_HIGHEST_RATE = 1 - RATE_MARGIN

PlainFactors = Sequence[tuple[float, float, float, bool]]
"""In each month: factor of revenue, of members, of the odds of retention, and whether a lever is given in it
or was before it.
"""


@dataclass(frozen=True, slots=True, eq=False)
class OriginState:
    """An origin as plain numbers.

    Attributes:
        terms: what its months run on.
        history_months: known months up to it.
        shown: of each lever, the smallest and largest value shown.
        carried: the levers that the studio's data can carry.
        scale: (12,) deviation of the revenue's log error with every lever free.
        free: revenue, members and retention in each month with every lever free.
        ensemble: with every lever free, (3, 12) each.
        factors: of the levers that were given lately, by the months since when.
    """

    terms: PlainTerms
    history_months: int
    shown: dict[str, Range]
    carried: frozenset[str]
    scale: list[float]
    free: list[tuple[float, float, float]]
    ensemble: FreeEnsemble
    factors: dict[FirstMonths, PlainFactors] = field(default_factory=dict)

    def factors_since(self, first: FirstMonths) -> PlainFactors:
        """The factors under levers that are given since these months, where no learner has weight."""
        if (found := self.factors.get(first)) is None:
            if len(self.factors) >= _MOST_SETS:
                self.factors.clear()
            found = self.factors[first] = _plain_factors(self.ensemble, first)
        return found


def plain_origin(prepared: OriginStates, place: int) -> OriginState:
    """The origin at a place, kept at hand."""
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
    """Revenue, members and retention in each month: `lever_ensemble.under_levers` without learners.

    Args:
        origin: as prepared.
        core: the core's projection under the levers.
        first: since when they are given.
        given_retention: given values of `retention_rate`, NaN where free; None where it is free.
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
        if stays != stays:  # noqa: PLR0124 - NaN is what differs from itself, and this is asked often
            inside = RATE_MARGIN if rate < RATE_MARGIN else _HIGHEST_RATE if rate > _HIGHEST_RATE else rate
            odds = inside / (1 - inside) * of_odds
            stays = odds / (1 + odds)
        # Where the core knows nothing, the free forecast stands.
        found.append((amount if amount == amount else free[0], members * of_members, stays))  # noqa: PLR0124
    return found
