"""Interval widening for studios with a short history, measured by hiding months of other studios.

Studios of the backtest are forecast again from their last 1, 3, 6 or 12 months alone (`out_of_fold`). The
ratio of those errors to the errors with all months is the widening for a studio with that many known months.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from studio_pipeline.panel.arrays import FloatArray

YOUNG_MONTHS: tuple[int, ...] = (1, 3, 6, 12, 24)
"""Known months at which the widening is given: 1 at the last, interpolated in log months in between."""

_FEWEST_STUDIOS = 20
_PRIOR_STUDIOS = 40.0
_PRIOR = np.array([2.0, 1.5, 1.25, 1.1])
_NO_HISTORY = 1.25
_LARGEST = 4.0


@dataclass(frozen=True)
class YoungStudios:
    """Interval widening by number of known months."""

    factors: FloatArray  # (5, H) at `YOUNG_MONTHS`, decreasing in the number of months; the last row is 1

    def widening(self, months: FloatArray) -> FloatArray:
        """(N, H) factors on the own deviation by (N,) known months; for no month, 1.25 times that of one."""
        at = np.log(np.clip(months, YOUNG_MONTHS[0], YOUNG_MONTHS[-1]))
        grid = np.log(YOUNG_MONTHS)
        left = np.clip(np.searchsorted(grid, at, side="right") - 1, 0, len(grid) - 2)
        share = ((at - grid[left]) / (grid[left + 1] - grid[left]))[:, None]
        factors = (1 - share) * self.factors[left] + share * self.factors[left + 1]
        return np.asarray(np.where(months[:, None] < 1, _NO_HISTORY * factors, factors))

    def to_json(self) -> dict[str, Any]:
        """Plain lists."""
        return {"factors": self.factors.tolist()}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> YoungStudios:
        """Inverse of `to_json`."""
        return cls(np.array(stored["factors"]))


def known_months(windows: Mapping[str, FloatArray]) -> FloatArray:
    """(N,) number of months with known revenue in the windows."""
    return np.asarray(np.isfinite(windows["total_revenue"]).sum(1), dtype=np.float64)


def fit_young(own_sizes: Mapping[int, FloatArray], full_sizes: FloatArray) -> YoungStudios:
    """Estimates the factors from error sizes with months hidden, shrunk towards a fixed prior.

    `own_sizes`: number of months left, all of `YOUNG_MONTHS` but the last, to (N, H) absolute own log errors,
    NaN where not known; `full_sizes`: those of the same origins with all months.
    """
    n_horizons = full_sizes.shape[1]
    factors = np.ones((len(YOUNG_MONTHS), n_horizons))
    for place, months in enumerate(YOUNG_MONTHS[:-1]):
        sizes = own_sizes[months]
        both = np.isfinite(sizes) & np.isfinite(full_sizes)
        count = both.sum(0)
        ratio = np.where(both, sizes, 0.0).sum(0) / np.maximum(np.where(both, full_sizes, 0.0).sum(0), 1e-12)
        weight = np.where(count >= _FEWEST_STUDIOS, count / (count + _PRIOR_STUDIOS), 0.0)
        factors[place] = weight * np.clip(ratio, 1.0, _LARGEST) + (1 - weight) * _PRIOR[place]
    falling = np.maximum.accumulate(factors[::-1], axis=0)[::-1]
    return YoungStudios(falling)
