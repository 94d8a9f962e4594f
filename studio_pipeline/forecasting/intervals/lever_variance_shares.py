"""Shares of the forecast variance that given levers remove, and widening outside the shown range of levers.

Given levers count as carried out exactly, so that their own forecast error is gone. Each lever, and some
groups of levers, hold a share of the variance of the own error and of the market error, by horizon; a given
lever or group removes its share. Shares are non-negative and add up to less than 1: another given lever never
widens an answer, and no set of levers removes all uncertainty. The shares are fitted in
`lever_share_fitting`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any

import numpy as np

from studio_pipeline.forecasting.base.given_levers import HELD_LEVERS
from studio_pipeline.forecasting.base.hyperparameters import MAX_HORIZON_MONTHS
from studio_pipeline.panel.arrays import FloatArray

_STORED = ("own", "common", "sums")
_SMALLEST_SHARE = 1e-9
_SMALLEST_SPAN = 0.1
_SMALLEST_WIDTH = 1e-12
_WIDEST = 3.0
_WIDENING_PER_SPAN = 0.5
_NOTHING = [0.0] * MAX_HORIZON_MONTHS

_PLACES = {name: place for place, name in enumerate(HELD_LEVERS)}
_TOGETHER: tuple[frozenset[str], ...] = (
    frozenset({"retention_rate", "new_members_monthly"}),
    frozenset({"retention_rate", "new_members_monthly", "avg_ticket_price"}),
    frozenset(HELD_LEVERS),
)
COMPONENTS: tuple[tuple[int, ...], ...] = (
    *((place,) for place in range(len(HELD_LEVERS))),
    *(tuple(sorted(_PLACES[name] for name in names)) for names in _TOGETHER),
)
"""Indices into `HELD_LEVERS` of the levers of each component: single levers first, then groups, whose share
is removed only if all of their levers are given.
"""


@dataclass(frozen=True)
class LeverShares:
    """Shares of the variances by component of levers."""

    own: FloatArray  # (H, C) of the own error's variance, in order of `COMPONENTS`; sums below 1
    common: FloatArray  # (H, C) the same of the market error
    # (H,) with every lever given, own variance of the sum over the first h months, relative to the variance
    # it would have with the correlation between months of answers with every lever free
    sums: FloatArray

    def left(self, levers: Mapping[str, FloatArray]) -> tuple[FloatArray, FloatArray]:
        """(N, H) shares of the own and of the market variance that remain under given levers; at most 1.

        A lever that is given from a later month on removes its share in proportion to the months since.
        `levers`: at least one, to its (N, H) given values, NaN where free; `current_member_count` has no
        effect.
        """
        free = np.full_like(next(iter(levers.values())), np.nan)
        given = np.isfinite([levers.get(name, free) for name in HELD_LEVERS]).cumsum(2)
        n_horizons = given.shape[2]
        share = given / np.arange(1, n_horizons + 1)
        taken = np.stack([share[list(component)].min(0) for component in COMPONENTS])
        both = np.ascontiguousarray(np.stack([self.own, self.common]).swapaxes(1, 2))[..., :n_horizons]
        own, common = 1 - np.einsum("cnh,kch->knh", taken, both)
        return own, common

    @cached_property
    def of_sums(self) -> list[tuple[FloatArray, FloatArray, FloatArray]]:
        """For sums over 1 to H months, (h,) each: the floor of a month, its value in the sum, and the slope
        of the latter by the remaining share of a month.

        The error that remains under given levers is less correlated over the months than the part that they
        remove.
        """
        found = []
        for months in range(1, len(self.own) + 1):
            floor = (1 - self.own.sum(1))[:months]
            summed = floor * self.sums[months - 1]
            found.append((floor, summed, (1 - summed) / np.maximum(1 - floor, _SMALLEST_SHARE)))
        return found

    def to_json(self) -> dict[str, Any]:
        """Plain lists."""
        return {name: getattr(self, name).tolist() for name in _STORED}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> LeverShares:
        """Inverse of `to_json`."""
        return cls(*(np.array(stored[name], dtype=np.float64) for name in _STORED))


def component_shares(given: FloatArray) -> FloatArray:
    """(..., C) share of the months in which all levers of a component were given, from (..., L) by lever."""
    return np.stack([given[..., list(component)].min(-1) for component in COMPONENTS], axis=-1)


_USUAL_SHARES = {"retention_rate": 0.3, "avg_ticket_price": 0.1, "new_members_monthly": 0.4}


def usual_shares(n_horizons: int) -> LeverShares:
    """Shares for a fit on too few months: those of the own error in fleets of a few hundred studios."""
    own = np.zeros((n_horizons, len(COMPONENTS)))
    own[:, : len(HELD_LEVERS)] = [_USUAL_SHARES.get(name, 0.0) for name in HELD_LEVERS]
    return LeverShares(own, np.zeros_like(own), np.ones(n_horizons))


def no_shares(n_horizons: int) -> LeverShares:
    """Shares of 0, for a fit without data: given levers don't narrow intervals."""
    nothing = np.zeros((n_horizons, len(COMPONENTS)))
    return LeverShares(nothing, nothing, np.ones(n_horizons))


def widening_outside(
    levers: Mapping[str, Sequence[float]], shown: Mapping[str, tuple[float, float]]
) -> list[float]:
    """(12,) factors, 1..3, of an answer's deviation for levers outside the range shown in the data.

    The factor grows by 0.5 for each width of the shown range by which a lever lies outside it in this or an
    earlier month; the width is at least a tenth of the nearer end. A lever without shown values adds nothing.

    `levers`: lever to its value in each of 12 months, NaN where free.
    """
    throughout, widening = 1.0, _NOTHING
    for lever, path in levers.items():
        low, high = shown.get(lever, (-math.inf, math.inf))
        values = set(path)
        if len(values) == 1:
            throughout += _WIDENING_PER_SPAN * _spans_beyond(path[0], low, high)
        elif any(value < low or value > high for value in values):
            spans = [_spans_beyond(value, low, high) for value in path]
            farthest = accumulate(spans, max)
            widening = [
                so_far + _WIDENING_PER_SPAN * by for so_far, by in zip(widening, farthest, strict=True)
            ]
    if widening is _NOTHING:
        return [min(throughout, _WIDEST)] * len(widening)
    return [min(throughout + by, _WIDEST) for by in widening]


def _spans_beyond(value: float, low: float, high: float) -> float:
    """Distance of a value outside the shown range, in widths of the range; 0 inside, and for NaN."""
    if value < low:
        return (low - value) / max(high - low, _SMALLEST_SPAN * abs(low), _SMALLEST_WIDTH)
    if value > high:
        return (value - high) / max(high - low, _SMALLEST_SPAN * abs(high), _SMALLEST_WIDTH)
    return 0.0
