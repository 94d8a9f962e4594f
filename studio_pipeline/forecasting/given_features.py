"""How learners see given levers: as changes from the studio's trailing level, marked where they are given."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from studio_pipeline.forecasting.flows import logit
from studio_pipeline.forecasting.folds import Origins
from studio_pipeline.forecasting.known_levers import HELD_LEVERS
from studio_pipeline.panel.arrays import BoolArray, FloatArray, StudioPanel
from studio_pipeline.panel.columns import LEVER_COLUMNS

CHANGE_FEATURES: tuple[str, ...] = tuple(f"given_{lever}_change" for lever in HELD_LEVERS)
IS_GIVEN_FEATURES: tuple[str, ...] = tuple(f"is_{lever}_given" for lever in HELD_LEVERS)
GIVEN_FEATURES: tuple[str, ...] = (*CHANGE_FEATURES, *IS_GIVEN_FEATURES)

LEVER_SIGNS: Mapping[str, Mapping[str, int]] = {
    "revenue": {"retention_rate": 1, "new_members_monthly": 1, "upsell_rate": 1},
    "members": {"retention_rate": 1, "new_members_monthly": 1, "avg_ticket_price": -1},
    "retention": {"avg_ticket_price": -1},
}
"""Target to lever to the known sign of the lever's effect. Of the price's effect on revenue, and of what
classes and attendance do beyond the core's arithmetic (crowding costs members), no sign is known.
"""

_TRAILING_MONTHS = 3
_RATES = ("retention_rate", "class_attendance_rate", "staff_utilization_rate", "upsell_rate")
_COUNT_OFFSET = {"new_members_monthly": 0.5}
_LARGEST_CHANGE = 3.0


def given_features(
    panel: StudioPanel, origins: Origins, levers: Mapping[str, FloatArray], horizon_months: int
) -> FloatArray:
    """(N, H, 2 L) of `GIVEN_FEATURES`: log change of amounts and logit change of rates against the mean of
    the three months up to the origin, within +-3, and flags.

    Args:
        panel: the months; only those up to each origin are read.
        origins: the N origins.
        levers: lever to (N, 12) given values, NaN where free; a lever that is not there is free.
        horizon_months: H, 1..12.

    Returns:
        0 and 0 where a lever is free; 0 and 1 where it is given and the studio shows no level of it.
    """
    found = np.zeros((len(origins), horizon_months, len(GIVEN_FEATURES)))
    for k, lever in enumerate(HELD_LEVERS):
        if lever not in levers:
            continue
        path = levers[lever][:, :horizon_months]
        level = _trailing_level(panel.values[LEVER_COLUMNS[lever]], origins)
        change = _scaled(path, lever) - _scaled(level, lever)[:, None]
        # A level of zero is no level to compare with; a lever of zero is the lowest there is.
        compared = np.nan_to_num(change, posinf=0.0, neginf=-_LARGEST_CHANGE)
        found[:, :, k] = np.clip(compared, -_LARGEST_CHANGE, _LARGEST_CHANGE)
        found[:, :, len(HELD_LEVERS) + k] = np.isfinite(path)
    return found


def monotone_signs(feature_names: tuple[str, ...], target: str) -> tuple[int, ...]:
    """(F,) of -1, 0 and 1: in which direction a learner's correction of a target may follow each feature."""
    signs = {f"given_{lever}_change": sign for lever, sign in LEVER_SIGNS[target].items()}
    return tuple(signs.get(name, 0) for name in feature_names)


def determined(levers: Mapping[str, FloatArray]) -> dict[str, BoolArray]:
    """Target to the (N, H) months in which given levers leave nothing of it to correct.

    A given retention is the retention. Members follow from retention and new members wherever both were given
    in every month so far.
    """
    is_given = {lever: np.isfinite(path) for lever, path in levers.items()}
    nothing = np.zeros((), dtype=bool)
    retention = is_given.get("retention_rate", nothing)
    both = retention & is_given.get("new_members_monthly", nothing)
    members = np.logical_and.accumulate(both, axis=1) if both.ndim else both
    return {"revenue": nothing, "members": members, "retention": retention}


def _trailing_level(values: FloatArray, origins: Origins) -> FloatArray:
    """(N,) mean of the known among the months up to each origin; NaN where none is."""
    steps = origins.columns[:, None] - np.arange(_TRAILING_MONTHS)
    months = np.where(steps >= 0, values[origins.rows[:, None], np.maximum(steps, 0)], np.nan)
    seen = np.isfinite(months)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(seen, months, 0.0).sum(1) / seen.sum(1))


def _scaled(values: FloatArray, lever: str) -> FloatArray:
    if lever in _RATES:
        return logit(values)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.log(values + _COUNT_OFFSET.get(lever, 0.0)))
