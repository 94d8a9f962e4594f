"""The evaluation of one ensemble: predictions, metrics and summary of a backtest, and how they are stored."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import pandas as pd

from studio_pipeline.errors import CorruptReleaseError
from studio_pipeline.evaluation.levers_known import levers_known_errors
from studio_pipeline.evaluation.metrics import metric_table
from studio_pipeline.evaluation.summary import summarise


@dataclass(frozen=True)
class EvaluationReport:
    """How good an ensemble was on origins that chose neither its weights nor its intervals.

    Attributes:
        predictions: rows as `schemas.PREDICTIONS` describes them.
        metrics: rows as `schemas.METRICS` describes them.
        summary: name to number, as `summary.summarise` makes it; what the promotion rule decides on.
    """

    predictions: pd.DataFrame
    metrics: pd.DataFrame
    summary: dict[str, float]

    @cached_property
    def levers_known(self) -> pd.DataFrame:
        """Errors with levers free and known; columns as `levers_known.COLUMNS`."""
        return levers_known_errors(self.predictions)

    @classmethod
    def from_predictions(cls, predictions: pd.DataFrame, more: Mapping[str, float] | None = None) -> Self:
        """Judge a backtest; predictions of no rows give empty metrics and a summary of zero counts.

        Args:
            predictions: rows as `schemas.PREDICTIONS` describes them.
            more: further figures for the summary.
        """
        metrics = metric_table(predictions)
        return cls(predictions, metrics, summarise(predictions, metrics) | dict(more or {}))

    def write(self, folder: Path) -> None:
        """Write predictions.parquet, metrics.parquet and summary.json (NaN as null); the folder is made."""
        folder.mkdir(parents=True, exist_ok=True)
        self.predictions.to_parquet(folder / "predictions.parquet", index=False)
        self.metrics.to_parquet(folder / "metrics.parquet", index=False)
        numbers = {name: value if math.isfinite(value) else None for name, value in self.summary.items()}
        (folder / "summary.json").write_text(json.dumps(numbers, indent=1, allow_nan=False), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read what `write` wrote.

        Raises:
            CorruptReleaseError: a file is not there or can't be read.
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
