"""Tables of the report on data and errors, as texts for the template.

Also the type `Table` that all tables of the report have; those on the model are in `model_tables`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pandas as pd

from studio_pipeline.evaluation.formatting import DASH, per_cent
from studio_pipeline.evaluation.metrics.prediction_table import CANDIDATES, LABELS, TARGETS
from studio_pipeline.evaluation.metrics.summary import SUMMARY_SPANS
from studio_pipeline.evaluation.report.drawing import short_number
from studio_pipeline.panel.columns import COLUMNS


@dataclass(frozen=True)
class Table:
    """A table for the template.

    Attributes:
        headings: one per column.
        rows: texts, one per column.
        best: (row, column) of cells to emphasise.
        text_columns: left-aligned columns; the others are numbers.
    """

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    best: frozenset[tuple[int, int]] = frozenset()
    text_columns: frozenset[int] = field(default_factory=lambda: frozenset({0}))


def shown(value: float, form: str) -> str:
    """A number as text: a count, a share in per cent, a decimal, or any size; a dash where not finite."""
    if not math.isfinite(value):
        return DASH
    if form == "count":
        return f"{value:,.0f}"
    if form == "share":
        return per_cent(value)
    return f"{value:.2f}" if form == "decimal" else short_number(value)


METRIC_FORMATS: dict[str, str] = {
    "n": "count",
    "rmse": "number",
    "mae": "number",
    "r2": "decimal",
    "mape": "share",
    "wape": "share",
    "mase": "decimal",
    "direction_from_last": "share",
    "direction_along_path": "share",
    "within_5_pct": "share",
    "within_10_pct": "share",
    "three_month_total_accuracy": "share",
    "business_score": "decimal",
    "coverage_50": "share",
    "coverage_80": "share",
    "coverage_90": "share",
    "coverage_total": "share",
    "width_90": "share",
}


def error_table(metrics: pd.DataFrame, target: str) -> Table:
    """WAPE of each candidate over months 1, 1-3, 1-6 and 1-12, the best of each column emphasised."""
    rows = metrics[metrics["target"] == target]
    wape = rows.pivot_table(index="candidate", columns="horizon", values="wape", dropna=False).reindex(
        index=CANDIDATES, columns=list(SUMMARY_SPANS)
    )
    best = {
        (int(np.nanargmin(wape[span])), column + 1)
        for column, span in enumerate(SUMMARY_SPANS)
        if wape[span].notna().any()
    }
    texts = [
        [LABELS[name], *(per_cent(v, 2) for v in line)]
        for name, line in zip(CANDIDATES, wape.to_numpy(), strict=True)
    ]
    return Table(["", *(months_label(span) for span in SUMMARY_SPANS)], texts, frozenset(best))


def metrics_in_full(metrics: pd.DataFrame, target: str) -> Table:
    """Every metric of the ensemble, one row per horizon or span."""
    rows = metrics[(metrics["target"] == target) & (metrics["candidate"] == "ensemble")]
    texts = [
        [
            months_label(str(row["horizon"])),
            *(shown(row[name], form) for name, form in METRIC_FORMATS.items()),
        ]
        for row in rows.to_dict("records")
    ]
    return Table(["", *(name.replace("_", " ") for name in METRIC_FORMATS)], texts)


def metrics_beside(metrics: pd.DataFrame, target: str) -> Table:
    """Every metric of every candidate over each span of months."""
    rows = metrics[(metrics["target"] == target) & metrics["horizon"].isin(SUMMARY_SPANS)]
    texts = [
        [
            months_label(str(row["horizon"])),
            LABELS[str(row["candidate"])],
            *(shown(row[name], form) for name, form in METRIC_FORMATS.items()),
        ]
        for row in rows.to_dict("records")
    ]
    return Table(
        ["", "", *(name.replace("_", " ") for name in METRIC_FORMATS)], texts, text_columns=frozenset({0, 1})
    )


def error_by_type(panel_frame: pd.DataFrame, predictions: pd.DataFrame) -> Table:
    """Revenue forecasts of months 1-3 by studio type: studios, forecasts, WAPE and bias."""
    types = panel_frame.groupby("studio_id")["studio_type"].first().fillna("unknown").replace("", "unknown")
    rows = _near_revenue(predictions)
    groups = rows.groupby(rows["studio_id"].map(types).fillna("unknown"))
    texts = [[str(name), f"{part['studio_id'].nunique():,}", *_error_and_bias(part)] for name, part in groups]
    return Table(["type", "studios", "forecasts", "WAPE", "bias"], texts)


def hardest_studios(predictions: pd.DataFrame, top: int = 8) -> Table:
    """The studios with the largest errors of revenue over months 1-3."""
    rows = _near_revenue(predictions)
    sums = (
        rows.assign(error=(rows["ensemble"] - rows["actual"]).abs())
        .groupby("studio_id")[["error", "actual"]]
        .sum()
    )
    worst = (sums["error"] / sums["actual"].where(sums["actual"] > 0)).dropna().nlargest(top).index
    texts = [[str(name), *_error_and_bias(rows[rows["studio_id"] == name])] for name in worst]
    return Table(["studio", "forecasts", "WAPE", "bias"], texts)


def targets_judged(metrics: pd.DataFrame) -> list[str]:
    """Targets with at least one evaluated forecast."""
    judged = metrics[(metrics["candidate"] == "ensemble") & (metrics["n"] > 0)]["target"]
    return [target for target in TARGETS if (judged == target).any()]


def typical_error_studio(predictions: pd.DataFrame) -> str | None:
    """The studio with the median error of revenue over months 1-3; None if there is none."""
    rows = _near_revenue(predictions)
    sums = (
        rows.assign(error=(rows["ensemble"] - rows["actual"]).abs())
        .groupby("studio_id")[["error", "actual"]]
        .sum()
    )
    order = (sums["error"] / sums["actual"].where(sums["actual"] > 0)).dropna().sort_values().index
    return str(order[len(order) // 2]) if len(order) else None


def _near_revenue(predictions: pd.DataFrame) -> pd.DataFrame:
    rows = predictions[(predictions["target"] == "revenue") & (predictions["horizon"] <= 3)]
    return rows.dropna(subset=["actual", "ensemble"])


def _error_and_bias(rows: pd.DataFrame) -> list[str]:
    total = float(rows["actual"].abs().sum())
    error = rows["ensemble"] - rows["actual"]
    shares = [float(error.abs().sum()) / total, float(error.sum()) / total] if total > 0 else [math.nan] * 2
    return [
        f"{len(rows):,}",
        per_cent(shares[0]),
        f"{round(100 * shares[1], 1) + 0:+.1f} %" if total > 0 else DASH,
    ]


def months_label(span: str) -> str:
    """A horizon or a span as text: "month 3", "months 1-6"."""
    return f"months {span}" if "-" in span else f"month {span}"


DESCRIBED = ("unit", "known", "median", "middle 90 %", "meaning")


class FeatureText(Protocol):
    """Interface of a feature's description, as needed by the report."""

    @property
    def name(self) -> str:
        """Column of the feature frame."""

    @property
    def unit(self) -> str:
        """Unit of its values."""

    @property
    def description(self) -> str:
        """Meaning of a value."""


def columns_table(panel_frame: pd.DataFrame) -> Table:
    """Each column of the panel: unit, known share, median, middle 90 %, meaning."""
    texts = []
    for column in (c for c in COLUMNS if c.name in panel_frame):
        values = panel_frame[column.name]
        known = per_cent(float(values.notna().mean()) if len(values) else math.nan, 0)
        texts.append([column.name, column.kind.value, known, *_spread(values), column.description])
    return Table(["column", *DESCRIBED], texts, text_columns=frozenset({0, 1, 5}))


def features_table(features: pd.DataFrame, descriptions: Iterable[FeatureText]) -> Table:
    """Each feature: unit, known share, median, middle 90 %, meaning."""
    texts = []
    for feature in descriptions:
        values = features[feature.name] if feature.name in features else pd.Series(dtype=np.float64)
        known = per_cent(float(values.notna().mean()) if len(values) else math.nan, 0)
        texts.append([feature.name, feature.unit, known, *_spread(values), feature.description])
    return Table(["feature", *DESCRIBED], texts, text_columns=frozenset({0, 1, 5}))


def rejected_table(rejected: pd.DataFrame, top: int = 25) -> Table:
    """The first rejected rows, with their original values."""
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
