"""Lever features: given levers as changes from the studio's trailing level, with flags of given levers.

Also the signs of levers' effects, which give the learners' monotonicity constraints. Values of levers come
from `base.given_levers`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from studio_pipeline.forecasting.base.bounds import LEVER_BOUNDS
from studio_pipeline.forecasting.base.flows import RATE_MARGIN
from studio_pipeline.forecasting.base.given_levers import HELD_LEVERS
from studio_pipeline.forecasting.base.hyperparameters import MAX_HORIZON_MONTHS
from studio_pipeline.forecasting.base.origins import Origins, months_at
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
"""Target to lever to the known sign of the lever's effect. No sign is known for the effect of the price on
revenue, nor for effects of classes and attendance beyond the core's arithmetic (crowding costs members).
"""

_TRAILING_MONTHS = 3
_IS_RATE = np.array([LEVER_BOUNDS[lever].is_rate for lever in HELD_LEVERS])
_OFFSETS = np.array([0.5 if lever == "new_members_monthly" else 0.0 for lever in HELD_LEVERS])
_PLAIN = tuple(zip(_IS_RATE.tolist(), _OFFSETS.tolist(), strict=True))
_LARGEST_CHANGE = 3.0


def trailing_levels(panel: StudioPanel, origins: Origins) -> FloatArray:
    """(N, L) trailing levels of `HELD_LEVERS`: logs of amounts, log odds of rates; NaN where unknown."""
    levels = [_trailing_level(panel.values[LEVER_COLUMNS[lever]], origins) for lever in HELD_LEVERS]
    return _scaled(np.stack(levels, 1))


def given_from_levels(levels: FloatArray, levers: Mapping[str, FloatArray]) -> FloatArray:
    """(N, 12, 2 L) `GIVEN_FEATURES` from (N, L) `trailing_levels` and (N, 12) given levers, NaN where free.

    Log change of amounts and logit change of rates against the mean of the three months up to the origin,
    clipped to +-3, then flags: 0 and 0 where a lever is free, 0 and 1 where it is given and the studio has no
    trailing level.
    """
    paths = np.full((len(levels), MAX_HORIZON_MONTHS, len(HELD_LEVERS)), np.nan)
    for k, lever in enumerate(HELD_LEVERS):
        if lever in levers:
            paths[:, :, k] = levers[lever]
    change = _scaled(paths) - levels[:, None]
    inside = np.minimum(np.maximum(change, -_LARGEST_CHANGE), _LARGEST_CHANGE)
    found = np.empty((len(levels), MAX_HORIZON_MONTHS, len(GIVEN_FEATURES)))
    found[:, :, : len(HELD_LEVERS)] = np.where(np.isfinite(change), inside, 0.0)
    found[:, :, len(HELD_LEVERS) :] = np.isfinite(paths)
    return found


def put_given(block: NDArray[np.float32], levels: FloatArray, levers: Mapping[str, list[float]]) -> None:
    """Write `given_from_levels` of one origin, from (L,) levels, into the zeros of `block`, (H, 2 L): its
    twin on plain numbers, for speed.
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
    is_rate, offset = _PLAIN[k]
    if is_rate:
        inside = min(max(value, RATE_MARGIN), 1 - RATE_MARGIN)
        amount = inside / (1 - inside)
    else:
        amount = value + offset
    change = math.log(amount) - level if amount > 0 else math.nan
    return min(max(change, -_LARGEST_CHANGE), _LARGEST_CHANGE) if math.isfinite(change) else 0.0


def monotone_signs(feature_names: tuple[str, ...], target: str) -> tuple[int, ...]:
    """(F,) monotonicity constraints of a target's correction by feature: -1, 0 (none) or 1."""
    signs = {f"given_{lever}_change": sign for lever, sign in LEVER_SIGNS[target].items()}
    return tuple(signs.get(name, 0) for name in feature_names)


def determined(levers: Mapping[str, FloatArray]) -> dict[str, BoolArray]:
    """Target to the (N, H) mask of months in which given levers determine it, so that no correction applies.

    A given retention is the target itself. Members are determined if retention and new members were given in
    every month so far.
    """
    is_given = {lever: np.isfinite(path) for lever, path in levers.items()}
    nothing = np.zeros((), dtype=bool)
    retention = is_given.get("retention_rate", nothing)
    both = retention & is_given.get("new_members_monthly", nothing)
    members = np.logical_and.accumulate(both, axis=1) if both.ndim else both
    return {"revenue": nothing, "members": members, "retention": retention}


def _trailing_level(values: FloatArray, origins: Origins) -> FloatArray:
    """(N,) mean of the known values in the last `_TRAILING_MONTHS` months of each origin; NaN if none is."""
    months = months_at(values, origins, -np.arange(_TRAILING_MONTHS))
    seen = np.isfinite(months)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(seen, months, 0.0).sum(1) / seen.sum(1))


def _scaled(values: FloatArray) -> FloatArray:
    """Log odds of rates and logs of amounts; `HELD_LEVERS` on the last axis."""
    inside = np.minimum(np.maximum(values, RATE_MARGIN), 1 - RATE_MARGIN)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.log(np.where(_IS_RATE, inside / (1 - inside), values + _OFFSETS)))
