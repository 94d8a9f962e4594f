"""How large corrections usually are, by months ahead and by the levers that are given.

What the core misses a year ahead is many times what it misses next month, and with every lever known it
misses next to nothing. Learners are fitted on misses in units of their usual size, so that the far and free
ones do not drown the near and known ones, and what they answer is taken back by the same sizes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from studio_pipeline.forecasting.hyperparameters import MAX_HORIZON_MONTHS
from studio_pipeline.forecasting.learning_rows import RowArray
from studio_pipeline.panel.arrays import BoolArray, FloatArray

_FEWEST_ORIGINS = 40
_LARGEST_SQUARE = 9.0
_SMALLEST_SQUARE = 1e-4


@dataclass(frozen=True)
class CorrectionSizes:
    """Usual sizes of one target's corrections: a size by months ahead, times the root of a sum of variances.

    Attributes:
        by_horizon: (12,) size where every lever is free, apart from `variances`; 0 where too little is known.
        variances: (1 + L,) share of the variance that stays with all of `HELD_LEVERS` given, and those that
            each of them adds where it is free.
    """

    by_horizon: tuple[float, ...]
    variances: tuple[float, ...]

    def of(self, given: FloatArray | RowArray | BoolArray) -> FloatArray:
        """(N, H) sizes for (N, H, L) flags of given levers, months ahead from 1 on."""
        return np.asarray(usual_sizes(np.array([self.by_horizon]), np.array([self.variances]), given)[:, 0])


def usual_sizes(
    by_horizon: FloatArray, variances: FloatArray, given: FloatArray | RowArray | BoolArray
) -> FloatArray:
    """(N, K, H) sizes of K targets at once, for (N, H, L) flags of given levers.

    Args:
        by_horizon: (K, 12) as in `CorrectionSizes`.
        variances: (K, 1 + L) as in `CorrectionSizes`.
        given: months ahead from 1 on.
    """
    square = variances.sum(1) - np.asarray(given, dtype=np.float64) @ variances[:, 1:].T
    root = np.sqrt(np.maximum(square, _SMALLEST_SQUARE))
    return np.asarray(by_horizon[:, : given.shape[1]] * root.swapaxes(1, 2))


def correction_sizes(corrections: FloatArray, given: BoolArray) -> CorrectionSizes:
    """Sizes of (N, 12) corrections, NaN where unknown, under (N, L) masks of given levers.

    Variances are fitted by non-negative least squares on the squares, of which none counts more than three
    usual sizes.
    """
    # The service reads sizes and fits none: it does without SciPy.
    from scipy.optimize import nnls

    known = np.isfinite(corrections)
    enough = known.sum(0) >= _FEWEST_ORIGINS
    mean_square = np.square(np.where(known, corrections, 0.0)).sum(0) / np.maximum(known.sum(0), 1)
    by_horizon = np.where(enough, np.sqrt(mean_square), 0.0)
    used = known & (by_horizon > 0)
    n_levers = given.shape[1]
    if not used.any():
        return CorrectionSizes((0.0,) * MAX_HORIZON_MONTHS, (1.0,) + (0.0,) * n_levers)
    rows, columns = np.nonzero(used)
    square = np.minimum((corrections[rows, columns] / by_horizon[columns]) ** 2, _LARGEST_SQUARE)
    parts = np.column_stack([np.ones(len(rows)), ~given[rows]])
    variances, _ = nnls(parts.T @ parts, parts.T @ square)
    return CorrectionSizes(tuple(by_horizon.tolist()), tuple(variances.tolist()))
