"""Backtest predictions as arrays, sorted into paths: what every metric's addends are taken from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from studio_pipeline.evaluation.candidates import CANDIDATES, HORIZONS, INTERVAL_LEVELS_PERCENT, TARGETS
from studio_pipeline.panel.arrays import BoolArray, FloatArray, IntArray

TOTAL_INTERVAL = f"total_{INTERVAL_LEVELS_PERCENT[-1]}"
_INTERVALS = (*map(str, INTERVAL_LEVELS_PERCENT), TOTAL_INTERVAL)


@dataclass(frozen=True)
class Rows:
    """A predictions frame as arrays, sorted so that each path's horizons follow one another; N rows.

    Attributes:
        cell: (N,) index of the row's target and horizon: 12 x target + horizon - 1.
        path: (N,) index of the row's path (target, studio and origin).
        follows: (N,) whether the row before is the same path one horizon earlier.
        numbers: (N,) array of each numeric column.
    """

    cell: IntArray
    path: IntArray
    follows: BoolArray
    numbers: dict[str, FloatArray]

    @property
    def horizon(self) -> IntArray:
        """(N,) 1..12."""
        return self.cell % len(HORIZONS) + 1

    @property
    def totals(self) -> FloatArray:
        """(N,) sums of what happened over months 1 to the row's; NaN where one of them is unknown."""
        paths = np.full((int(self.path.max(initial=-1)) + 1, len(HORIZONS)), np.nan)
        paths[self.path, self.horizon - 1] = self.numbers["actual"]
        return np.asarray(paths.cumsum(axis=1)[self.path, self.horizon - 1])

    def before(self, name: str) -> FloatArray:
        """(N,) a column's value one horizon earlier, at horizon 1 the last known; NaN for a gap."""
        shifted = np.concatenate([[np.nan], self.numbers[name][:-1]])
        earlier = np.where(self.follows, shifted, np.nan)
        return np.where(self.horizon == 1, self.numbers["last_known"], earlier)


def read_rows(predictions: pd.DataFrame) -> Rows:
    """Sort a predictions frame into paths and take its numbers out."""
    target = pd.Index(TARGETS).get_indexer(pd.Index(predictions["target"]))
    studio, _ = pd.factorize(predictions["studio_id"])
    origin, origins = pd.factorize(predictions["base_month"])
    horizon = predictions["horizon"].to_numpy(np.int64)
    path = (target * (studio.max(initial=0) + 1) + studio) * max(len(origins), 1) + origin
    order = np.lexsort((horizon, path))
    path, horizon = path[order], horizon[order]
    follows = np.concatenate([[False], (np.diff(path) == 0) & (np.diff(horizon) == 1)])[: len(path)]
    ends = [f"{end}_{kind}" for kind in _INTERVALS for end in ("lower", "upper")]
    names = (*CANDIDATES, "actual", "last_known", "scale", *ends)
    known = predictions.reindex(columns=list(names))
    numbers = {name: known[name].to_numpy(np.float64)[order] for name in names}
    cell = target[order] * len(HORIZONS) + horizon - 1
    return Rows(cell.astype(np.int64), np.unique(path, return_inverse=True)[1], follows, numbers)
