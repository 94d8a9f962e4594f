"""The report's tables of errors: by span and candidate, in full, by type, and where they are largest."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from studio_pipeline.evaluation.candidates import CANDIDATES, LABELS, TARGETS
from studio_pipeline.evaluation.report_tables import Table, shown
from studio_pipeline.evaluation.summary import SUMMARY_SPANS
from studio_pipeline.evaluation.wording import DASH, per_cent

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
    """WAPE of each candidate over months 1, 1-3, 1-6 and 1-12, the best of each column stressed."""
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
    """Every metric of the ensemble, a row a horizon or span."""
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
    """The studios whose revenue over months 1-3 was missed by most."""
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
    """Targets for which there is at least one forecast to judge."""
    judged = metrics[(metrics["candidate"] == "ensemble") & (metrics["n"] > 0)]["target"]
    return [target for target in TARGETS if (judged == target).any()]


def typical_error_studio(predictions: pd.DataFrame) -> str | None:
    """The studio whose error of revenue over months 1-3 is the median one; None where there is none."""
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
    """A horizon or a span as words: "month 3", "months 1-6"."""
    return f"months {span}" if "-" in span else f"month {span}"
