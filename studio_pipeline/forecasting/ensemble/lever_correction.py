"""Ensemble correction of the core's projection where levers are given.

With every lever free, the ensemble is a weighted mean of the core, the cores corrected by the learners, and
candidates that ignore levers (baselines, direct levels). Under given levers, the core follows them by its
arithmetic and the learners correct it with the levers among their features. The other candidates' correction
of the free forecast is kept as a factor, except where the given levers already determine the outcome.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from studio_pipeline.forecasting.base.flows import RATE_MARGIN
from studio_pipeline.forecasting.base.given_levers import GivenMonths
from studio_pipeline.panel.arrays import FloatArray

_SMALLEST_RATE = 1e-6
_SMALLEST_FACTOR = 1e-9


@dataclass(frozen=True)
class FreeEnsemble:
    """Core and ensemble with every lever free; arrays are (..., 3, H) in the order of `TARGETS`."""

    core: FloatArray  # the core's projection
    free: FloatArray  # the ensemble's forecast
    kept: FloatArray  # result of `kept_factors`
    learned: FloatArray  # result of `learned_parts`


def kept_factors(core: FloatArray, free: FloatArray) -> FloatArray:
    """(..., 3, H) ratios of ensemble to core with every lever free: of revenue, of members, and of the odds
    of retention; 1 where the core has no projection.
    """
    kept = np.ones_like(core)
    amounts = slice(0, 2)
    usable = (core[..., amounts, :] > 0) & np.isfinite(free[..., amounts, :])
    np.divide(free[..., amounts, :], core[..., amounts, :], out=kept[..., amounts, :], where=usable)
    kept[..., 2, :] = _odds(free[..., 2, :], _SMALLEST_RATE) / _odds(core[..., 2, :], _SMALLEST_RATE)
    return kept


def learned_parts(shares: FloatArray, corrections: FloatArray, core_retention: FloatArray) -> FloatArray:
    """(..., 3, H) the learners' part of the ensemble: of revenue and members relative to the core, of
    retention in points.

    Args:
        shares: (..., 3, L, H) share of each learner in the ensemble.
        corrections: (..., 3, L, H) of each learner, on the log scale (retention: log odds).
        core_retention: (..., H) the core's retention with every lever free.
    """
    change = np.expm1(corrections)
    rate, of_odds = core_retention[..., None, :], change[..., 2, :, :]
    inside = np.minimum(np.maximum(rate, RATE_MARGIN), 1 - RATE_MARGIN)
    # If the odds of rate r are multiplied by 1 + x, the rate becomes r (1 + x) / (1 + x r).
    change[..., 2, :, :] = inside * (1 + of_odds) / (1 + inside * of_odds) - rate
    return np.asarray((shares * change).sum(-2))


@dataclass(frozen=True)
class LeverFactors:
    """Ratios of ensemble to core under given levers, (..., H) each."""

    revenue: FloatArray  # ratio of revenue
    members: FloatArray  # ratio of members
    odds: FloatArray  # ratio of the odds of retention


def lever_factors(
    ensemble: FreeEnsemble, months: GivenMonths, learned: FloatArray | None = None
) -> LeverFactors:
    """Ratios of ensemble to core under levers, by the months in which levers are given, not by their values.

    The other candidates' correction of members is dropped where retention and new members are both given, and
    their correction of revenue per member where the ticket is given as well, since these levers determine the
    outcome. Elsewhere it is kept, so that giving a lever at its forecast value hardly changes the forecast.
    `learned`: (..., 3, H) `learned_parts` under the levers; by default those of the free forecast.
    """
    given = months.given
    moved = None if learned is None else learned - ensemble.learned
    kept = ensemble.kept if moved is None else ensemble.kept + moved
    of_learners = 1 + (ensemble.learned if learned is None else learned)
    others = kept[..., :2, :] / of_learners[..., :2, :]
    of_members = others[..., 1, :]
    # Where the other candidates forecast no members, their revenue per member is undefined.
    per_member = np.where(
        of_members > _SMALLEST_FACTOR, others[..., 0, :] / np.maximum(of_members, _SMALLEST_FACTOR), 1.0
    )
    members_learned = of_learners[..., 1, :]
    if "retention_rate" in given and "new_members_monthly" in given:
        certain = given["retention_rate"] & given["new_members_monthly"]
        of_members = np.where(certain, 1.0, of_members)
        members_learned = np.where(certain, 1.0, members_learned)
        if "avg_ticket_price" in given:
            per_member = np.where(certain & given["avg_ticket_price"], 1.0, per_member)
    if moved is None:
        odds = ensemble.kept[..., 2, :]
    else:
        free = _odds(ensemble.free[..., 2, :] + moved[..., 2, :], _SMALLEST_RATE)
        odds = free / _odds(ensemble.core[..., 2, :], _SMALLEST_RATE)
    return LeverFactors(
        revenue=of_members * per_member * of_learners[..., 0, :],
        members=of_members * members_learned,
        odds=odds,
    )


def under_levers(
    ensemble: FreeEnsemble,
    core: FloatArray,
    months: GivenMonths,
    given_retention: FloatArray | None,
    learned: FloatArray | None = None,
) -> FloatArray:
    """(..., 3, H) ensemble forecast under levers.

    Months before any lever is given equal the free forecast exactly, and so does revenue where the core has
    no projection. `core`: (..., 3, H) the core's projection under the levers; `given_retention`: (..., H)
    given values of `retention_rate`, NaN where free; None if never given.
    """
    factors = lever_factors(ensemble, months, learned)
    held = np.empty_like(core)
    revenue = core[..., 0, :] * factors.revenue
    held[..., 0, :] = np.where(np.isnan(revenue), ensemble.free[..., 0, :], revenue)
    held[..., 1, :] = core[..., 1, :] * factors.members
    odds = _odds(core[..., 2, :], RATE_MARGIN) * factors.odds
    held[..., 2, :] = odds / (1 + odds)
    if given_retention is not None:
        held[..., 2, :] = np.where(months.given["retention_rate"], given_retention, held[..., 2, :])
    return held if months.always else np.where(months.begun[..., None, :], held, ensemble.free)


def _odds(rate: FloatArray, margin: float) -> FloatArray:
    inside = np.minimum(np.maximum(rate, margin), 1 - margin)
    return np.asarray(inside / (1 - inside))
