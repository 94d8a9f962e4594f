"""Correction of the core's projection by the ensemble where levers are given.

Where no lever is given, the ensemble takes the core to a weighted mean of the core, the learners' corrected
cores, and forecasts that know nothing of levers (baselines, direct levels). Under levers, the core follows
them by its arithmetic and the learners correct it knowing them; of the others, what they had changed of the
free forecast is kept as a factor where the levers leave it open.
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
    """The ensemble with every lever free, (..., 3, H) of `TARGETS` each.

    Attributes:
        core: the core's projection.
        free: the ensemble's forecast.
        kept: of `kept_factors`.
        learned: of `learned_parts`.
    """

    core: FloatArray
    free: FloatArray
    kept: FloatArray
    learned: FloatArray


def kept_factors(core: FloatArray, free: FloatArray) -> FloatArray:
    """(..., 3, H) factors that take the core's free projection to the ensemble's: of revenue, of members, and
    of the odds of retention; 1 where the core has none.
    """
    kept = np.ones_like(core)
    amounts = slice(0, 2)
    usable = (core[..., amounts, :] > 0) & np.isfinite(free[..., amounts, :])
    np.divide(free[..., amounts, :], core[..., amounts, :], out=kept[..., amounts, :], where=usable)
    kept[..., 2, :] = _odds(free[..., 2, :], _SMALLEST_RATE) / _odds(core[..., 2, :], _SMALLEST_RATE)
    return kept


def learned_parts(shares: FloatArray, corrections: FloatArray, core_retention: FloatArray) -> FloatArray:
    """(..., 3, H) what learners add: to revenue and members as a share of the core, to retention in points.

    Args:
        shares: (..., 3, L, H) of each learner in the ensemble.
        corrections: (..., 3, L, H) of each learner.
        core_retention: (..., H) the core's free projection.
    """
    change = np.expm1(corrections)
    rate, of_odds = core_retention[..., None, :], change[..., 2, :, :]
    inside = np.minimum(np.maximum(rate, RATE_MARGIN), 1 - RATE_MARGIN)
    # Odds times 1 + x are the rate times 1 + x over 1 + x times the rate.
    change[..., 2, :, :] = inside * (1 + of_odds) / (1 + inside * of_odds) - rate
    return np.asarray((shares * change).sum(-2))


@dataclass(frozen=True)
class LeverFactors:
    """What takes the core's projection under levers to the ensemble's, (..., H) each.

    Attributes:
        revenue: factor of revenue.
        members: factor of members.
        odds: factor of the odds of retention.
    """

    revenue: FloatArray
    members: FloatArray
    odds: FloatArray


def lever_factors(
    ensemble: FreeEnsemble, months: GivenMonths, learned: FloatArray | None = None
) -> LeverFactors:
    """The factors under levers, which depend on the months in which they are given and not on their values.

    What the other candidates correct of members goes where both of their flows are given, and what they
    correct of revenue per member where the ticket is given besides: then nothing is left to correct. Short of
    that it is kept, so that a lever given as it would have been changes next to nothing.

    Args:
        ensemble: with every lever free.
        months: in which levers are given, (..., H).
        learned: (..., 3, H) of `learned_parts` under the levers; that of the free forecast by default.
    """
    given = months.given
    moved = None if learned is None else learned - ensemble.learned
    kept = ensemble.kept if moved is None else ensemble.kept + moved
    of_learners = 1 + (ensemble.learned if learned is None else learned)
    others = kept[..., :2, :] / of_learners[..., :2, :]
    of_members = others[..., 1, :]
    # Where the others see no members at all, what they see of revenue says nothing of one member.
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
    return LeverFactors(
        revenue=of_members * per_member * of_learners[..., 0, :],
        members=of_members * members_learned,
        odds=_odds_factor(ensemble, moved),
    )


def _odds_factor(ensemble: FreeEnsemble, moved: FloatArray | None) -> FloatArray:
    """(..., H) what the odds of the core's retention are multiplied by."""
    if moved is None:
        return ensemble.kept[..., 2, :]
    free = ensemble.free[..., 2, :] + moved[..., 2, :]
    return np.asarray(_odds(free, _SMALLEST_RATE) / _odds(ensemble.core[..., 2, :], _SMALLEST_RATE))


def under_levers(
    ensemble: FreeEnsemble,
    core: FloatArray,
    months: GivenMonths,
    given_retention: FloatArray | None,
    learned: FloatArray | None = None,
) -> FloatArray:
    """(..., 3, H) the ensemble under levers.

    Months before any lever is given are those of the free forecast, to the last bit, and so are those of
    which the core knows nothing.

    Args:
        ensemble: with every lever free.
        core: (..., 3, H) the core's projection under the levers.
        months: in which levers are given, (..., H).
        given_retention: (..., H) given values of `retention_rate`, NaN where free; None where it is free.
        learned: of `lever_factors`.
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
