"""Metrics on arrays, and the evaluation of one ensemble.

All functions take (N,) arrays and leave out rows in which a required value is not finite. They return NaN if
no row is left or if the divisor is zero: never 0.0, which would look like a perfect score. `metric_sums`
computes the same metrics for all cells of a backtest at once.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd

from studio_pipeline.errors import CorruptReleaseError
from studio_pipeline.evaluation.metrics.metric_sums import KEYS, METRICS, metric_rows, ratio_or_nan
from studio_pipeline.evaluation.metrics.summary import levers_known_errors, summarise
from studio_pipeline.panel.arrays import BoolArray, FloatArray


def rmse(actual: FloatArray, predicted: FloatArray) -> float:
    """Root of the mean squared error, in the target's unit, >= 0; NaN for no rows."""
    return float(np.sqrt(_mean((predicted - actual) ** 2)))


def mae(actual: FloatArray, predicted: FloatArray) -> float:
    """Mean absolute error, in the target's unit, >= 0; NaN for no rows."""
    return _mean(np.abs(predicted - actual))


def r2(actual: FloatArray, predicted: FloatArray) -> float:
    """1 - squared error / squared deviation from the mean; at most 1, below 0 where worse than the mean.

    NaN for no rows and where all actual values are the same.
    """
    actual, predicted = _finite(actual, predicted)
    if not actual.size or np.ptp(actual) == 0:
        return float("nan")
    return 1 - ratio_or_nan(((predicted - actual) ** 2).sum(), ((actual - actual.mean()) ** 2).sum())


def mape(actual: FloatArray, predicted: FloatArray) -> float:
    """Mean of |error| / |actual|, a share >= 0, over rows whose actual is not zero; NaN for none of those."""
    return _mean(_percentage_errors(actual, predicted))


def wape(actual: FloatArray, predicted: FloatArray) -> float:
    """Sum of |error| / sum of |actual|, a share >= 0; NaN for no rows and for actual values of zero."""
    actual, predicted = _finite(actual, predicted)
    return ratio_or_nan(np.abs(predicted - actual).sum(), np.abs(actual).sum())


def mase(actual: FloatArray, predicted: FloatArray, scale: FloatArray) -> float:
    """Mean of |error| / scale, >= 0; below 1 is better than seasonal naive was before the origin.

    `scale` is each row's in-sample mean absolute error of seasonal naive, in the target's unit. Rows whose
    scale is not above zero are left out; NaN where none remains.
    """
    positive = np.where(scale > 0, scale, np.nan)
    return _mean(np.abs(predicted - actual) / positive)


def direction_from_last(actual: FloatArray, predicted: FloatArray, last_known: FloatArray) -> float:
    """Share of rows, 0..1, in which forecast and actual lie on the same side of the last known month.

    Rows in which the actual equals the last known value are left out (NaN if none remains); a forecast of no
    change counts as wrong in the others, so persistence scores 0.
    """
    return direction_along_path(actual, predicted, last_known, last_known)


def direction_along_path(
    actual: FloatArray, predicted: FloatArray, actual_before: FloatArray, predicted_before: FloatArray
) -> float:
    """Share of rows, 0..1, in which the forecast path moves in the same direction as the actual values.

    `*_before` are the values one horizon earlier on the same path (at horizon 1: the last known month). Rows
    in which the actual does not move are left out (NaN if none remains); a forecast of no change counts as
    wrong.
    """
    moves = actual - actual_before
    same = _hits(np.sign(predicted - predicted_before) == np.sign(moves), moves, predicted, predicted_before)
    return _mean(np.where(moves != 0, same, np.nan))


def within(actual: FloatArray, predicted: FloatArray, share: float) -> float:
    """Share of rows, 0..1, whose |error| is at most `share` of |actual|.

    For an actual of zero only an exact hit counts. NaN for no rows.
    """
    return _mean(_hits(np.abs(predicted - actual) <= share * np.abs(actual), actual, predicted))


def three_month_total_accuracy(actual: FloatArray, predicted: FloatArray) -> float:
    """1 - WAPE of the sums over months 1 to 3; at most 1, negative where the error exceeds the actual.

    Both arrays are (N, 3), a row a path. Paths that lack one of the months are left out; NaN for no paths
    and where all actual totals are zero.
    """
    return 1 - wape(actual.sum(axis=1), predicted.sum(axis=1))


def business_score(actual: FloatArray, predicted: FloatArray) -> float:
    """100 minus the mean percentage error, in which an error over 10 % counts double.

    At most 100, and it may be negative. Rows whose actual is zero are left out; NaN where none remains.
    """
    per_cent = 100 * _percentage_errors(actual, predicted)
    return 100 - _mean(np.where(per_cent > 10, 2 * per_cent, per_cent))


def coverage(actual: FloatArray, lower: FloatArray, upper: FloatArray) -> float:
    """Share of rows, 0..1, whose actual lies in [lower, upper]; NaN for no rows."""
    return _mean(_hits((lower <= actual) & (actual <= upper), actual, lower, upper))


def relative_width(actual: FloatArray, lower: FloatArray, upper: FloatArray) -> float:
    """Sum of interval widths / sum of |actual|, >= 0; NaN for no rows and for actual values of zero."""
    actual, lower, upper = _finite(actual, lower, upper)
    return ratio_or_nan((upper - lower).sum(), np.abs(actual).sum())


def metric_table(predictions: pd.DataFrame) -> pd.DataFrame:
    """All metrics for each target, horizon ("1".."12" and the spans "1-3", "1-6", "1-12") and candidate.

    Args:
        predictions: rows as `schemas.PREDICTIONS` describes them, in any order.

    Returns:
        Rows as `schemas.METRICS` describes them: targets x 15 x 8, in the order of `CANDIDATES`. A candidate
        is evaluated on the rows in which it has a forecast, `n` of them. Coverage and width exist for the
        ensemble only, `coverage_total` is that of the sum over months 1 to the row's last, and the accuracy
        of the three-month total is in the rows of span "1-3" only; NaN elsewhere.
    """
    table = pd.DataFrame(metric_rows(predictions), columns=[*KEYS, "n", *METRICS])
    return table.astype(dict.fromkeys(KEYS, "object") | {"n": "int64"} | dict.fromkeys(METRICS, "float64"))


def _finite(*arrays: FloatArray) -> tuple[FloatArray, ...]:
    keep = np.all([np.isfinite(array) for array in arrays], axis=0)
    return tuple(array[keep] for array in arrays)


def _hits(hit: BoolArray, *needed: FloatArray) -> FloatArray:
    """1.0 or 0.0 a row, NaN where one of the needed values is not finite."""
    return np.where(np.all([np.isfinite(array) for array in needed], axis=0), hit, np.nan)


def _percentage_errors(actual: FloatArray, predicted: FloatArray) -> FloatArray:
    return np.abs(predicted - actual) / np.where(actual != 0, np.abs(actual), np.nan)


def _mean(values: FloatArray) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if finite.size else float("nan")


@dataclass(frozen=True)
class EvaluationReport:
    """Evaluation of an ensemble on origins that were used neither for its weights nor for its intervals.

    Attributes:
        predictions: rows as `schemas.PREDICTIONS` describes them.
        metrics: rows as `schemas.METRICS` describes them.
        summary: name to number, as `summary.summarise` makes it; the input of the promotion rules.
    """

    predictions: pd.DataFrame
    metrics: pd.DataFrame
    summary: dict[str, float]

    @cached_property
    def levers_known(self) -> pd.DataFrame:
        """Errors with levers free and known; columns as `summary.COLUMNS`."""
        return levers_known_errors(self.predictions)

    @classmethod
    def from_predictions(cls, predictions: pd.DataFrame, more: Mapping[str, float] | None = None) -> Self:
        """Evaluate a backtest; predictions without rows give empty metrics and a summary of zero counts.

        Args:
            predictions: rows as `schemas.PREDICTIONS` describes them.
            more: further figures for the summary.
        """
        metrics = metric_table(predictions)
        return cls(predictions, metrics, summarise(predictions, metrics) | dict(more or {}))

    def write(self, folder: Path) -> None:
        """Write predictions.parquet, metrics.parquet and summary.json (NaN as null); creates the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        self.predictions.to_parquet(folder / "predictions.parquet", index=False)
        self.metrics.to_parquet(folder / "metrics.parquet", index=False)
        numbers = {name: value if math.isfinite(value) else None for name, value in self.summary.items()}
        (folder / "summary.json").write_text(json.dumps(numbers, indent=1, allow_nan=False), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read an evaluation that `write` stored.

        Raises:
            CorruptReleaseError: a file is missing or can't be read.
        """
        try:
            numbers = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
            predictions = pd.read_parquet(folder / "predictions.parquet")
            metrics = pd.read_parquet(folder / "metrics.parquet")
        except (OSError, ValueError) as error:
            raise CorruptReleaseError(
                f"The evaluation in {folder} can't be read: {error}.", "Run the pipeline again."
            ) from error
        return cls(predictions, metrics, {k: math.nan if v is None else float(v) for k, v in numbers.items()})
