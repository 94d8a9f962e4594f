"""How much less uncertain an answer is where levers are given, and how much more outside what was seen.

Given levers are taken as carried out exactly, so what they would have done by themselves is no longer in
doubt. Levers, alone or some of them together, hold shares of the variance of the own error and of the common
one, by horizon; what is given takes its share away, and the rest stays. Shares are never negative and add up
to less than one, so that a lever more never widens an answer and none makes it certain.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from studio_pipeline.forecasting.known_levers import HELD_LEVERS
from studio_pipeline.panel.arrays import FloatArray

_SMALLEST_SPAN = 0.1
_SMALLEST_WIDTH = 1e-12
_WIDENING_PER_SPAN = 0.5

_TOGETHER: tuple[tuple[str, ...], ...] = (
    ("retention_rate", "new_members_monthly"),
    ("retention_rate", "new_members_monthly", "avg_ticket_price"),
    HELD_LEVERS,
)
COMPONENTS: tuple[tuple[int, ...], ...] = (
    *((place,) for place in range(len(HELD_LEVERS))),
    *(tuple(HELD_LEVERS.index(name) for name in names) for names in _TOGETHER),
)
"""Places in `HELD_LEVERS` of the levers that hold a share: each alone, then those that only do together."""


@dataclass(frozen=True)
class LeverShares:
    """Shares of the variances that levers hold.

    Attributes:
        own: (H, C) of a studio's own error, by horizon, in the order of `COMPONENTS`; each row sums to less
            than 1.
        common: (H, C) the same of the common error.
    """

    own: FloatArray
    common: FloatArray

    def left(self, levers: Mapping[str, FloatArray]) -> tuple[FloatArray, FloatArray]:
        """(N, H) what given levers leave of the variance of the own and of the common variance; at most 1.

        A lever that is given from a later month on takes away the part of its share that falls to the months
        since.

        Args:
            levers: lever to (N, H) given values, NaN where free; `current_member_count` counts for nothing.
        """
        given = {
            HELD_LEVERS.index(name): _share_so_far(path)
            for name, path in levers.items()
            if name in HELD_LEVERS
        }
        if not given:
            return (np.ones((1, len(self.own))),) * 2
        taking = [place for place, component in enumerate(COMPONENTS) if given.keys() >= set(component)]
        parts = [_least([given[lever] for lever in COMPONENTS[place]]) for place in taking]
        taken = np.stack(parts, axis=2)
        n_horizons = taken.shape[1]
        left = [1 - (taken * shares[:n_horizons, taking]).sum(2) for shares in (self.own, self.common)]
        return left[0], left[1]

    def to_json(self) -> dict[str, Any]:
        """Plain lists."""
        return {"own": self.own.tolist(), "common": self.common.tolist()}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> LeverShares:
        """Inverse of `to_json`."""
        return cls(np.array(stored["own"]), np.array(stored["common"]))


def _share_so_far(path: FloatArray) -> FloatArray:
    """(N, H) share of the months so far in which a lever is given."""
    return np.asarray(np.isfinite(path).cumsum(1) / np.arange(1, path.shape[1] + 1))


def _least(shares: list[FloatArray]) -> FloatArray:
    least = shares[0]
    for share in shares[1:]:
        least = np.minimum(least, share)
    return least


def component_shares(given: FloatArray) -> FloatArray:
    """(..., C) in which share of the months all levers of a component were given, from (..., L) of each."""
    return np.stack([given[..., list(component)].min(-1) for component in COMPONENTS], axis=-1)


def no_shares(n_horizons: int) -> LeverShares:
    """Where nothing is known of it: givens narrow nothing."""
    return LeverShares(*(np.zeros((n_horizons, len(COMPONENTS))) for _ in range(2)))


def widening_outside(
    levers: Mapping[str, Sequence[float]], shown: Mapping[str, tuple[float, float]]
) -> FloatArray | float:
    """What levers outside the range that the data have seen multiply an answer's deviation by, at least 1.

    Half of itself for each span of the shown range that a lever lies outside it, or did in a month before; a
    span is at least a tenth of the nearer end. A lever that was never shown counts for nothing here.

    Args:
        levers: lever to H given values, NaN where free.
        shown: lever to its smallest and largest shown value.

    Returns:
        (H,), or 1 where every lever lies inside.
    """
    widening: FloatArray | float = 1.0
    for lever, path in levers.items():
        low, high = shown.get(lever, (-math.inf, math.inf))
        values = set(path)
        if len(values) == 1:
            widening = widening + _WIDENING_PER_SPAN * _spans_beyond(values.pop(), low, high)
        elif any(value < low or value > high for value in values):
            spans = [_spans_beyond(value, low, high) for value in path]
            widening = widening + _WIDENING_PER_SPAN * np.maximum.accumulate(spans)
    return widening


def _spans_beyond(value: float, low: float, high: float) -> float:
    """Spans of the shown range that a value lies outside it; 0 inside, and for NaN."""
    if value < low:
        return (low - value) / max(high - low, _SMALLEST_SPAN * abs(low), _SMALLEST_WIDTH)
    if value > high:
        return (value - high) / max(high - low, _SMALLEST_SPAN * abs(high), _SMALLEST_WIDTH)
    return 0.0
