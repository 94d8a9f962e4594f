"""The report's tables of the data: columns, features and rejected rows."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Protocol

import numpy as np
import pandas as pd

from studio_pipeline.evaluation.drawing import short_number
from studio_pipeline.evaluation.report_tables import Table
from studio_pipeline.evaluation.wording import DASH, per_cent
from studio_pipeline.panel.columns import COLUMNS

DESCRIBED = ("unit", "known", "median", "middle 90 %", "meaning")


class FeatureText(Protocol):
    """What the report needs to know of a feature."""

    @property
    def name(self) -> str:
        """Column of the feature frame."""

    @property
    def unit(self) -> str:
        """Unit of its values."""

    @property
    def description(self) -> str:
        """What a value means."""


def columns_table(panel_frame: pd.DataFrame) -> Table:
    """Each column of the panel: unit, how much of it is there, median, where most of it lies, meaning."""
    texts = []
    for column in (c for c in COLUMNS if c.name in panel_frame):
        values = panel_frame[column.name]
        known = per_cent(float(values.notna().mean()) if len(values) else math.nan, 0)
        texts.append([column.name, column.kind.value, known, *_spread(values), column.description])
    return Table(
        ["column", *DESCRIBED],
        texts,
        text_columns=frozenset({0, 1, 5}),
    )


def features_table(features: pd.DataFrame, descriptions: Iterable[FeatureText]) -> Table:
    """Each feature: unit, how much of it is there, median, where most of it lies, meaning."""
    texts = []
    for feature in descriptions:
        values = features[feature.name] if feature.name in features else pd.Series(dtype=np.float64)
        known = per_cent(float(values.notna().mean()) if len(values) else math.nan, 0)
        texts.append([feature.name, feature.unit, known, *_spread(values), feature.description])
    return Table(
        ["feature", *DESCRIBED],
        texts,
        text_columns=frozenset({0, 1, 5}),
    )


def rejected_table(rejected: pd.DataFrame, top: int = 25) -> Table:
    """The first rejected rows, as they stood."""
    columns = [
        c for c in ("file", "line", "studio_id", "month_year", "column", "value", "reason") if c in rejected
    ]
    rows = rejected[columns].head(top).astype(object).where(rejected[columns].head(top).notna(), "")
    return Table(
        columns, [[str(cell) for cell in row] for row in rows.to_numpy()], text_columns=frozenset(range(7))
    )


def _spread(values: pd.Series[float]) -> list[str]:
    if not pd.api.types.is_numeric_dtype(values) or not values.notna().any():
        return [DASH, DASH]
    low, middle, high = values.quantile([0.05, 0.5, 0.95])
    return [short_number(float(middle)), f"{short_number(float(low))} … {short_number(float(high))}"]
