"""Metrics of a backtest as a table, and the evaluation of one ensemble.

A row in which a required value is not finite is left out of a metric. A metric is NaN if no row is left or if
its divisor is zero: never 0.0, which would look like a perfect score. Sums of months add up to those of
spans, so each row is read once. The summary of an evaluation is made in `summary`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd

from studio_pipeline.evaluation.metrics.prediction_table import (
    BOUNDS,
    CANDIDATES,
    HORIZONS,
    INTERVAL_LEVELS_PERCENT,
    SPANS,
    TARGETS,
    TOTAL,
)
from studio_pipeline.evaluation.metrics.summary import levers_known_errors, summarise
from studio_pipeline.panel.arrays import BoolArray, FloatArray, IntArray

Sums = dict[str, FloatArray]

KEYS: tuple[str, ...] = ("target", "horizon", "candidate")
METRICS: tuple[str, ...] = (
    "rmse", "mae", "r2", "mape", "wape", "mase", "direction_from_last", "direction_along_path",
    "within_5_pct", "within_10_pct", "three_month_total_accuracy", "business_score",
    "coverage_50", "coverage_80", "coverage_90", "coverage_total", "width_90",
)  # fmt: skip


def metric_table(predictions: pd.DataFrame) -> pd.DataFrame:
    """All metrics for each target, horizon ("1".."12" and the spans "1-3", "1-6", "1-12") and candidate.

    Rows are as `schemas.METRICS` describes them: targets x 15 x 8, in the order of `CANDIDATES`. A candidate
    is evaluated on the rows in which it has a forecast, `n` of them. Coverage and width exist for the
    ensemble only, `coverage_total` is that of the sum over months 1 to the row's last, and the accuracy of
    the three-month total is in the rows of span "1-3" only; NaN elsewhere.
    """
    table = pd.DataFrame(_metric_rows(predictions), columns=[*KEYS, "n", *METRICS])
    return table.astype(dict.fromkeys(KEYS, "object") | {"n": "int64"} | dict.fromkeys(METRICS, "float64"))


@dataclass(frozen=True)
class _Rows:
    """A predictions frame as arrays, sorted so that the horizons of each path are consecutive; N rows."""

    cell: IntArray  # (N,) index of the row's target and horizon: 12 x target + horizon - 1
    path: IntArray  # (N,) index of the row's path (target, studio and origin)
    follows: BoolArray  # (N,) True where the preceding row is the same path one horizon earlier
    numbers: dict[str, FloatArray]  # (N,) array of each numeric column

    @property
    def horizon(self) -> IntArray:
        """(N,) 1..12."""
        return self.cell % len(HORIZONS) + 1

    @property
    def totals(self) -> FloatArray:
        """(N,) sums of the actual values over months 1 to the row's; NaN where one of them is unknown."""
        paths = np.full((int(self.path.max(initial=-1)) + 1, len(HORIZONS)), np.nan)
        paths[self.path, self.horizon - 1] = self.numbers["actual"]
        return np.asarray(paths.cumsum(axis=1)[self.path, self.horizon - 1])

    def before(self, name: str) -> FloatArray:
        """(N,) a column's value one horizon earlier, at horizon 1 the last known value; NaN for a gap."""
        shifted = np.concatenate([[np.nan], self.numbers[name][:-1]])
        earlier = np.where(self.follows, shifted, np.nan)
        return np.where(self.horizon == 1, self.numbers["last_known"], earlier)


def _read_rows(predictions: pd.DataFrame) -> _Rows:
    target = pd.Index(TARGETS).get_indexer(pd.Index(predictions["target"]))
    studio, _ = pd.factorize(predictions["studio_id"])
    origin, origins = pd.factorize(predictions["base_month"])
    horizon = predictions["horizon"].to_numpy(np.int64)
    path = (target * (studio.max(initial=0) + 1) + studio) * max(len(origins), 1) + origin
    order = np.lexsort((horizon, path))
    path, horizon = path[order], horizon[order]
    follows = np.concatenate([[False], (np.diff(path) == 0) & (np.diff(horizon) == 1)])[: len(path)]
    names = (*CANDIDATES, "actual", "last_known", "scale", *BOUNDS)
    known = predictions.reindex(columns=list(names))
    numbers = {name: known[name].to_numpy(np.float64)[order] for name in names}
    cell = target[order] * len(HORIZONS) + horizon - 1
    return _Rows(cell.astype(np.int64), np.unique(path, return_inverse=True)[1], follows, numbers)


def _metric_rows(predictions: pd.DataFrame) -> Iterator[dict[str, object]]:
    rows = _read_rows(predictions)
    sums = {name: _over_horizons(rows, _terms(rows, name)) for name in CANDIDATES}
    totals = {name: _three_month_accuracy(rows, name) for name in CANDIDATES}
    windows = [(str(horizon), slice(horizon - 1, horizon)) for horizon in HORIZONS]
    windows += [(label, slice(first - 1, last)) for label, (first, last) in SPANS.items()]
    present = [target for target in TARGETS if (predictions["target"] == target).any()]
    for target, (label, window), name in product(present, windows, CANDIDATES):
        place = TARGETS.index(target)
        metrics = _metrics({term: s[place, window].sum(axis=0) for term, s in sums[name].items()})
        if name == "ensemble":
            # The total over the span, not the mean over the totals of its months.
            metrics["coverage_total"] = ratio_or_nan(*sums[name]["covered_total"][place, window.stop - 1])
        if label == "1-3":
            metrics["three_month_total_accuracy"] = totals[name][place]
        yield {"target": target, "horizon": label, "candidate": name, **metrics}


def _terms(rows: _Rows, candidate: str) -> Sums:
    """(N,) addends of each metric; NaN where a row is not part of it."""
    numbers = rows.numbers
    actual, predicted = numbers["actual"], numbers[candidate]
    error = np.abs(predicted - actual)
    known = np.isfinite(error)
    share = error / _where(actual != 0, np.abs(actual))
    centred = _where(known, actual - _centres(rows)[rows.cell // len(HORIZONS)])
    terms = {
        "absolute": error,
        "squared": error**2,
        "size": _where(known, np.abs(actual)),
        "centred": centred,
        "centred_squared": centred**2,
        "share": share,
        "scaled": error / _where(numbers["scale"] > 0, numbers["scale"]),
        "from_last": _same_direction(actual, predicted, numbers["last_known"], numbers["last_known"]),
        "along_path": _same_direction(actual, predicted, rows.before("actual"), rows.before(candidate)),
        "within_5": _where(known, error <= 0.05 * np.abs(actual)),
        "within_10": _where(known, error <= 0.10 * np.abs(actual)),
        "business": np.where(100 * share > 10, 200 * share, 100 * share),
    }
    if candidate == "ensemble":
        bounded = np.isfinite(actual + numbers["lower_90"] + numbers["upper_90"])
        terms |= {f"covered_{k}": _covered(rows, str(k), actual) for k in INTERVAL_LEVELS_PERCENT}
        terms |= {
            "covered_total": _covered(rows, TOTAL, rows.totals),
            "width": _where(bounded, numbers["upper_90"] - numbers["lower_90"]),
            "interval_size": _where(bounded, np.abs(actual)),
        }
    return terms


def _covered(rows: _Rows, kind: str, actual: FloatArray) -> FloatArray:
    """(N,) 1 where the actual value lies inside an interval, 0 where not, NaN where either is unknown."""
    lower, upper = rows.numbers[f"lower_{kind}"], rows.numbers[f"upper_{kind}"]
    return _where(np.isfinite(actual + lower + upper), (lower <= actual) & (actual <= upper))


def _centres(rows: _Rows) -> FloatArray:
    """(targets,) mean actual of each target; sums of squares about it are numerically stable."""
    target, actual = rows.cell // len(HORIZONS), rows.numbers["actual"]
    known = np.isfinite(actual)
    count = np.bincount(target[known], minlength=len(TARGETS))
    return np.bincount(target[known], actual[known], len(TARGETS)) / np.maximum(count, 1)


def _same_direction(
    actual: FloatArray, predicted: FloatArray, actual_before: FloatArray, predicted_before: FloatArray
) -> FloatArray:
    moves, predicted_moves = actual - actual_before, predicted - predicted_before
    known = np.isfinite(moves) & np.isfinite(predicted_moves) & (moves != 0)
    return _where(known, np.sign(moves) == np.sign(predicted_moves))


def _over_horizons(rows: _Rows, terms: Sums) -> Sums:
    """(targets, 12, 2) of each term: its sum, and the number of rows in it."""
    shape = (len(TARGETS), len(HORIZONS))
    answer: Sums = {}
    for name, values in terms.items():
        finite = np.isfinite(values)
        total = np.bincount(rows.cell[finite], values[finite], shape[0] * shape[1]).astype(np.float64)
        count = np.bincount(rows.cell[finite], minlength=shape[0] * shape[1])
        answer[name] = np.stack([total.reshape(shape), count.reshape(shape)], axis=-1)
    return answer


def _metrics(sums: Sums) -> dict[str, object]:
    """The metrics of one cell or span, from the (2,) sum and count of each term."""
    mean = {name: ratio_or_nan(total, count) for name, (total, count) in sums.items()}
    size, interval_size = sums["size"][0], sums.get("interval_size", np.zeros(2))[0]
    deviation = sums["centred_squared"][0] - ratio_or_nan(sums["centred"][0] ** 2, sums["centred"][1])
    return {
        "n": int(sums["absolute"][1]),
        "rmse": float(np.sqrt(mean["squared"])),
        "mae": mean["absolute"],
        "r2": 1 - ratio_or_nan(sums["squared"][0], _unless_rounding(deviation, sums["centred_squared"][0])),
        "mape": mean["share"],
        "wape": ratio_or_nan(sums["absolute"][0], size),
        "mase": mean["scaled"],
        "direction_from_last": mean["from_last"],
        "direction_along_path": mean["along_path"],
        "within_5_pct": mean["within_5"],
        "within_10_pct": mean["within_10"],
        "three_month_total_accuracy": float("nan"),
        "business_score": 100 - mean["business"],
        **{f"coverage_{k}": mean.get(f"covered_{k}", float("nan")) for k in INTERVAL_LEVELS_PERCENT},
        "coverage_total": float("nan"),
        "width_90": ratio_or_nan(sums["width"][0], interval_size) if "width" in sums else float("nan"),
    }


def _three_month_accuracy(rows: _Rows, candidate: str) -> FloatArray:
    """(targets,) 1 - WAPE of the sums over months 1 to 3, over paths that have all three; NaN for none."""
    actual, predicted = rows.numbers["actual"], rows.numbers[candidate]
    use = (rows.horizon <= 3) & np.isfinite(actual) & np.isfinite(predicted)
    paths = int(rows.path.max(initial=-1)) + 1
    whole = np.bincount(rows.path[use], minlength=paths) == 3
    target = np.zeros(paths, np.int64)
    target[rows.path] = rows.cell // len(HORIZONS)
    of_actual = np.bincount(rows.path[use], actual[use], paths)
    error = np.abs(np.bincount(rows.path[use], predicted[use], paths) - of_actual)
    errors = np.bincount(target[whole], error[whole], len(TARGETS))
    sizes = np.bincount(target[whole], np.abs(of_actual)[whole], len(TARGETS))
    return np.array([1 - ratio_or_nan(e, size) for e, size in zip(errors, sizes, strict=True)])


def _unless_rounding(deviation: float, about: float) -> float:
    """Zero if a sum of squares is only rounding error, which means that all actual values are equal."""
    return deviation if deviation > 1e-12 * about else 0.0


def _where(condition: BoolArray, values: FloatArray | BoolArray) -> FloatArray:
    return np.where(condition, values, np.nan)


def ratio_or_nan(numerator: float, denominator: float) -> float:
    """Ratio of two sums; NaN where the denominator is not above 0."""
    return float(numerator / denominator) if denominator > 0 else float("nan")


@dataclass(frozen=True)
class EvaluationReport:
    """Evaluation of an ensemble on origins that were used neither for its weights nor for its intervals.

    Predictions and metrics are as `schemas.PREDICTIONS` and `schemas.METRICS` describe them, the summary as
    `summary.summarise` makes it.
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
        """Evaluate a backtest; `more` are further figures for the summary. Without rows the counts are 0."""
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
        """Read an evaluation that `write` stored."""
        numbers = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
        predictions = pd.read_parquet(folder / "predictions.parquet")
        metrics = pd.read_parquet(folder / "metrics.parquet")
        return cls(predictions, metrics, {k: math.nan if v is None else float(v) for k, v in numbers.items()})
