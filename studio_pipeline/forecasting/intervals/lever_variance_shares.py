"""Shares of the forecast variance that given levers take away, and widening outside the range shown.

Given levers are taken as carried out exactly, so what they would have done by themselves is no longer in
doubt. Levers, alone or some of them together, hold shares of the variance of the own error and of the common
one, by horizon; what is given takes its share away, and the rest stays. Shares are never negative and add up
to less than one, so that a lever more never widens an answer and none makes it certain.
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
"""Places in `HELD_LEVERS` of the levers that hold a share: each alone, then those that only do together."""


@dataclass(frozen=True)
class LeverShares:
    """Shares of the variances that levers hold.

    Attributes:
        own: (H, C) of a studio's own error, by horizon, in the order of `COMPONENTS`; each row sums to less
            than 1.
        common: (H, C) the same of the common error.
        sums: (H,) with every lever given, own variance of the sum over the first h months over what it would
            be if the months hung together as those of free answers do.
    """

    own: FloatArray
    common: FloatArray
    sums: FloatArray

    def left(self, levers: Mapping[str, FloatArray]) -> tuple[FloatArray, FloatArray]:
        """(N, H) what given levers leave of the variance of the own and of the common variance; at most 1.

        A lever that is given from a later month on takes away the part of its share that falls to the months
        since.

        Args:
            levers: lever to (N, H) given values, NaN where free; `current_member_count` counts for nothing.
        """
        names = [name for name in HELD_LEVERS if name in levers]
        if not names:
            nothing = np.ones((1, len(self.own)))
            return nothing, nothing
        given = np.isfinite(np.array([levers[name] for name in names])).cumsum(2)
        n_horizons = given.shape[2]
        share = given / self._months[:n_horizons]
        taken = np.zeros((len(COMPONENTS), *share.shape[1:]))
        taken[[_PLACES[name] for name in names]] = share
        for place, members in enumerate(_TOGETHER, len(HELD_LEVERS)):
            if levers.keys() >= members:
                taken[place] = share[[names.index(name) for name in members]].min(0)
        own, common = 1 - np.einsum("cnh,kch->knh", taken, self._both[..., :n_horizons])
        return own, common

    @cached_property
    def _months(self) -> FloatArray:
        return np.arange(1.0, len(self.own) + 1)

    @cached_property
    def _both(self) -> FloatArray:
        """(2, C, H) shares of the own and of the common variance."""
        return np.ascontiguousarray(np.stack([self.own, self.common]).swapaxes(1, 2))

    @cached_property
    def _floor(self) -> FloatArray:
        """(H,) what is left of the own variance where every lever is given."""
        return np.asarray(1 - self.own.sum(1))

    @cached_property
    def of_sums(self) -> list[tuple[FloatArray, FloatArray, FloatArray]]:
        """For the sum over 1 to H months, (h,) each: the floor of a month, what of it is left in the sum, and
        how the latter grows with what is left of a month.

        What levers leave in doubt hangs together less over the months than what they take away does.
        """
        found = []
        for months in range(1, len(self.own) + 1):
            floor = self._floor[:months]
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
    """(..., C) in which share of the months all levers of a component were given, from (..., L) of each."""
    return np.stack([given[..., list(component)].min(-1) for component in COMPONENTS], axis=-1)


def no_shares(n_horizons: int) -> LeverShares:
    """Where nothing is known of it: givens narrow nothing."""
    nothing = np.zeros((n_horizons, len(COMPONENTS)))
    return LeverShares(nothing, nothing, np.ones(n_horizons))


def widening_outside(
    levers: Mapping[str, Sequence[float]], shown: Mapping[str, tuple[float, float]]
) -> list[float]:
    """(12,) factors, at least 1, of an answer's deviation where levers lie outside what the data have seen.

    Half of itself for each span of the shown range that a lever lies outside it, or did in a month before; a
    span is at least a tenth of the nearer end. At most three times: beyond that nobody knows. A lever that
    was never shown counts for nothing here.

    Args:
        levers: lever to its value in each of 12 months, NaN where free.
        shown: lever to its smallest and largest shown value.
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
    """Spans of the shown range that a value lies outside it; 0 inside, and for NaN."""
    if value < low:
        return (low - value) / max(high - low, _SMALLEST_SPAN * abs(low), _SMALLEST_WIDTH)
    if value > high:
        return (value - high) / max(high - low, _SMALLEST_SPAN * abs(high), _SMALLEST_WIDTH)
    return 0.0
