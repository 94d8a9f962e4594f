"""Lever features: given levers as changes from the studio's trailing level, marked where they are given."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from studio_pipeline.forecasting.base.flows import RATE_MARGIN
from studio_pipeline.forecasting.base.given_levers import HELD_LEVERS
from studio_pipeline.forecasting.base.origins import Origins
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
_IS_RATE = np.array([lever in _RATES for lever in HELD_LEVERS])
_OFFSETS = np.array([0.5 if lever == "new_members_monthly" else 0.0 for lever in HELD_LEVERS])
_PLAIN = tuple(zip(_IS_RATE.tolist(), _OFFSETS.tolist(), strict=True))
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
    return given_from_levels(trailing_levels(panel, origins), levers, horizon_months)


def trailing_levels(panel: StudioPanel, origins: Origins) -> FloatArray:
    """(N, L) of `HELD_LEVERS`: the trailing level on the scale on which changes are measured; NaN where the
    studio shows none.
    """
    levels = [_trailing_level(panel.values[LEVER_COLUMNS[lever]], origins) for lever in HELD_LEVERS]
    return _scaled(np.stack(levels, 1), _IS_RATE, _OFFSETS)


def given_from_levels(
    levels: FloatArray, levers: Mapping[str, FloatArray], horizon_months: int
) -> FloatArray:
    """(N, H, 2 L) of `GIVEN_FEATURES` against (N, L) `trailing_levels`, for levers as in `given_features`."""
    paths = np.full((len(levels), horizon_months, len(HELD_LEVERS)), np.nan)
    for k, lever in enumerate(HELD_LEVERS):
        if lever in levers:
            paths[:, :, k] = levers[lever][:, :horizon_months]
    change = _scaled(paths, _IS_RATE, _OFFSETS) - levels[:, None]
    inside = np.minimum(np.maximum(change, -_LARGEST_CHANGE), _LARGEST_CHANGE)
    found = np.empty((len(levels), horizon_months, len(GIVEN_FEATURES)))
    found[:, :, : len(HELD_LEVERS)] = np.where(np.isfinite(change), inside, 0.0)
    found[:, :, len(HELD_LEVERS) :] = np.isfinite(paths)
    return found


def put_given(block: NDArray[np.float32], levels: FloatArray, levers: Mapping[str, list[float]]) -> None:
    """Writes what `given_from_levels` gives into the rows of one origin with every lever free.

    Args:
        block: (H, 2 L) of `GIVEN_FEATURES`, zeros.
        levels: (L,) `trailing_levels`.
        levers: lever to its value in each month, NaN where free.
    """
    months = len(block)
    for k, level in enumerate(levels.tolist()):
        path = levers.get(HELD_LEVERS[k])
        if path is None:
            continue
        is_held = path.count(path[0]) == len(path)
        values = path[:1] if is_held else path[:months]
        block[:, k] = [_change(value, level, k) for value in values]
        block[:, len(HELD_LEVERS) + k] = [math.isfinite(value) for value in values]


def _change(value: float, level: float, k: int) -> float:
    """Of one value of the lever at place k; 0 where there is none to tell."""
    is_rate, offset = _PLAIN[k]
    if is_rate:
        inside = min(max(value, RATE_MARGIN), 1 - RATE_MARGIN)
        amount = inside / (1 - inside)
    else:
        amount = value + offset
    change = math.log(amount) - level if amount > 0 else math.nan
    return min(max(change, -_LARGEST_CHANGE), _LARGEST_CHANGE) if math.isfinite(change) else 0.0


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


def _scaled(values: FloatArray, is_rate: BoolArray, offset: FloatArray) -> FloatArray:
    """Log odds of rates and logs of amounts, levers last."""
    inside = np.minimum(np.maximum(values, RATE_MARGIN), 1 - RATE_MARGIN)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.log(np.where(is_rate, inside / (1 - inside), values + offset)))
