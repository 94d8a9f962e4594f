"""Tables of the report, as texts for the template: data, errors, and the model.

The model's tables are made of `ModelFrames`; figures of the same numbers are in `model_figures` and
`backtest_figures`.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from studio_pipeline.evaluation.formatting import DASH, per_cent
from studio_pipeline.evaluation.levers.lever_text import INTERVENTION_LABELS, LEVER_LABELS
from studio_pipeline.evaluation.levers.true_effects import effect_errors
from studio_pipeline.evaluation.metrics.metrics import METRICS
from studio_pipeline.evaluation.metrics.prediction_table import CANDIDATES, LABELS, TARGETS
from studio_pipeline.evaluation.metrics.summary import SUMMARY_SPANS
from studio_pipeline.evaluation.report.data_figures import MONTH_NAMES
from studio_pipeline.evaluation.report.drawing import short_number
from studio_pipeline.evaluation.report.model_figures import FLOW_TITLES
from studio_pipeline.forecasting.ensemble.candidates import CANDIDATES as MEMBERS
from studio_pipeline.forecasting.features.formulas import FeatureDescription
from studio_pipeline.panel.columns import COLUMNS, LEVER_COLUMNS, RATE_COLUMNS


@dataclass(frozen=True)
class Table:
    """A table for the template."""

    headings: Sequence[str]  # one per column
    rows: Sequence[Sequence[str]]  # texts, one per column
    best: frozenset[tuple[int, int]] = frozenset()  # (row, column) of cells to emphasise
    text_columns: frozenset[int] = frozenset({0})  # left-aligned; the others are numbers


def shown(value: float, form: str) -> str:
    """A number as text: a count, a share in per cent, a decimal, or any size; a dash where not finite."""
    if not math.isfinite(value):
        return DASH
    if form == "count":
        return f"{value:,.0f}"
    if form == "share":
        return per_cent(value)
    return f"{value:.2f}" if form == "decimal" else short_number(value)


METRIC_FORMATS: dict[str, str] = (
    {"n": "count"}
    | dict.fromkeys(METRICS, "share")
    | {"rmse": "number", "mae": "number"}
    | dict.fromkeys(("r2", "mase", "business_score"), "decimal")
)


_METRIC_HEADINGS = [name.replace("_", " ") for name in METRIC_FORMATS]


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
    texts = [[months_label(str(row["horizon"])), *_metric_texts(row)] for row in rows.to_dict("records")]
    return Table(["", *_METRIC_HEADINGS], texts)


def metrics_beside(metrics: pd.DataFrame, target: str) -> Table:
    """Every metric of every candidate over each span of months."""
    rows = metrics[(metrics["target"] == target) & metrics["horizon"].isin(SUMMARY_SPANS)]
    texts = [
        [months_label(str(row["horizon"])), LABELS[str(row["candidate"])], *_metric_texts(row)]
        for row in rows.to_dict("records")
    ]
    return Table(["", "", *_METRIC_HEADINGS], texts, text_columns=frozenset({0, 1}))


def _metric_texts(row: Mapping[Hashable, float]) -> list[str]:
    return [shown(row[name], form) for name, form in METRIC_FORMATS.items()]


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
    worst = _error_by_studio(rows).nlargest(top).index
    texts = [[str(name), *_error_and_bias(rows[rows["studio_id"] == name])] for name in worst]
    return Table(["studio", "forecasts", "WAPE", "bias"], texts)


def targets_judged(metrics: pd.DataFrame) -> list[str]:
    """Targets with at least one evaluated forecast."""
    judged = metrics[(metrics["candidate"] == "ensemble") & (metrics["n"] > 0)]["target"]
    return [target for target in TARGETS if (judged == target).any()]


def typical_error_studio(predictions: pd.DataFrame) -> str | None:
    """The studio with the median error of revenue over months 1-3; None if there is none."""
    order = _error_by_studio(_near_revenue(predictions)).sort_values().index
    return str(order[len(order) // 2]) if len(order) else None


def _error_by_studio(rows: pd.DataFrame) -> pd.Series[float]:
    sums = rows.assign(error=(rows["ensemble"] - rows["actual"]).abs())
    sums = sums.groupby("studio_id")[["error", "actual"]].sum()
    return (sums["error"] / sums["actual"].where(sums["actual"] > 0)).dropna()


def _near_revenue(predictions: pd.DataFrame) -> pd.DataFrame:
    rows = predictions[(predictions["target"] == "revenue") & (predictions["horizon"] <= 3)]
    return rows.dropna(subset=["actual", "ensemble"])


def _error_and_bias(rows: pd.DataFrame) -> list[str]:
    total, error = float(rows["actual"].abs().sum()), rows["ensemble"] - rows["actual"]
    if not total > 0:
        return [f"{len(rows):,}", DASH, DASH]
    bias = f"{round(100 * float(error.sum()) / total, 1) + 0:+.1f} %"
    return [f"{len(rows):,}", per_cent(float(error.abs().sum()) / total), bias]


def months_label(span: str) -> str:
    """A horizon or a span as text: "month 3", "months 1-6"."""
    return f"months {span}" if "-" in span else f"month {span}"


DESCRIBED = ("unit", "known", "median", "middle 90 %", "meaning")


def columns_table(panel_frame: pd.DataFrame) -> Table:
    """Each column of the panel: unit, known share, median, middle 90 %, meaning."""
    texts = [
        [column.name, column.kind.value, *_spread(panel_frame[column.name]), column.description]
        for column in COLUMNS
        if column.name in panel_frame
    ]
    return Table(["column", *DESCRIBED], texts, text_columns=frozenset({0, 1, 5}))


def features_table(features: pd.DataFrame, descriptions: Sequence[FeatureDescription]) -> Table:
    """Each feature: unit, known share, median, middle 90 %, meaning."""
    frame = features.reindex(columns=[feature.name for feature in descriptions])
    texts = [[f.name, f.unit, *_spread(frame[f.name]), f.description] for f in descriptions]
    return Table(["feature", *DESCRIBED], texts, text_columns=frozenset({0, 1, 5}))


def rejected_table(rejected: pd.DataFrame, top: int = 25) -> Table:
    """The first rejected rows, with their original values."""
    names = ("file", "line", "studio_id", "month_year", "column", "value", "reason")
    columns = [name for name in names if name in rejected]
    rows = rejected[columns].head(top).astype(object)
    texts = [[str(cell) for cell in row] for row in rows.where(rows.notna(), "").to_numpy()]
    return Table(columns, texts, text_columns=frozenset(range(7)))


def _spread(values: pd.Series[float]) -> list[str]:
    """Known share, median, and middle 90 % of a column."""
    known = per_cent(float(values.notna().mean()), 0)
    if not pd.api.types.is_numeric_dtype(values) or not values.notna().any():
        return [known, DASH, DASH]
    low, middle, high = values.quantile([0.05, 0.5, 0.95])
    return [known, short_number(float(middle)), f"{short_number(float(low))} … {short_number(float(high))}"]


@dataclass(frozen=True)
class ModelFrames:
    """Frames of one model."""

    weights: pd.DataFrame  # target, horizon, candidate, weight
    importances: pd.DataFrame  # learner, target, feature, importance
    seasons: pd.DataFrame  # as `response_tables.SEASON_COLUMNS`
    responses: pd.DataFrame  # as `response_tables.RESPONSE_COLUMNS`
    sweep: pd.DataFrame  # as `schemas.SWEEP`
    effects: pd.DataFrame  # as `schemas.EFFECTS`; no rows if the true effects are unknown


def weights_table(weights: pd.DataFrame, target: str) -> Table:
    """Weight of each candidate at each horizon; zeros are dashes."""
    wide = weights[weights["target"] == target].pivot_table(
        index="candidate", columns="horizon", values="weight", aggfunc="sum", fill_value=0.0
    )
    rows = [
        [LABELS[name], *(per_cent(v, 0) if v > 0 else DASH for v in wide.loc[[name]].to_numpy()[0])]
        for name in MEMBERS
        if name in wide.index
    ]
    return Table(["months ahead", *(str(horizon) for horizon in wide.columns)], rows)


def seasons_table(seasons: pd.DataFrame) -> Table:
    """Factors of each flow and type by calendar month."""
    rows = []
    for (flow, studio_type), part in seasons.groupby(["flow", "studio_type"], sort=False):
        is_points = (part["unit"] == "points").all()
        factors = part.sort_values("calendar_month")["factor"]
        texts = [f"{v:+.2f}" if is_points else per_cent(v, 0) for v in factors]
        rows.append([FLOW_TITLES[str(flow)], str(studio_type) or "no type", *texts])
    return Table(["", "type", *MONTH_NAMES], rows, text_columns=frozenset({0, 1}))


def responses_table(responses: pd.DataFrame) -> Table:
    """Each response: impact with its interval, its slope, and what it rests on."""
    rows = [
        [
            row["flow"],
            row["change"],
            *(_signed(row[name]) for name in ("impact", "impact_low", "impact_high")),
            f"{row['effect']:.3f}",
            f"{row['standard_error']:.3f}",
            per_cent(row["prior_share"], 0),
            f"{row['own_studios']:,}",
            row["sign_rule"],
        ]
        for row in responses.to_dict("records")
    ]
    headings = [
        "of",
        "to",
        "impact",
        "from",
        "up to",
        "slope",
        "standard error",
        "prior",
        "own studios",
        "sign",
    ]
    return Table(headings, rows, text_columns=frozenset({0, 1, 9}))


def _signed(value: float) -> str:
    """A number with its sign; a dash if it is unknown, a plain zero if it is zero."""
    return (f"{value:+.2f}" if value else "0") if math.isfinite(value) else DASH


def sweep_table(sweep: pd.DataFrame) -> Table:
    """A year's revenue with each lever at both ends of its drawn range, and at its present value."""
    rows = []
    for lever in (name for name in LEVER_LABELS if (sweep["lever"] == name).any()):
        part = sweep[sweep["lever"] == lever]
        cells: list[str] = []
        for chosen in (part.head(1), part[part["is_present"]].head(1), part.tail(1)):
            texts = [
                (_lever_text(lever, value), short_number(revenue))
                for value, revenue in zip(chosen["value"], chosen["revenue"], strict=True)
            ]
            cells += texts[0] if texts else (DASH, DASH)
        rows.append([LEVER_LABELS[lever], *cells])
    return Table(["lever", "lowest", "revenue", "where it stands", "revenue", "highest", "revenue"], rows)


def _lever_text(lever: str, value: float) -> str:
    return per_cent(value) if LEVER_COLUMNS[lever] in RATE_COLUMNS else short_number(value)


def effects_table(effects: pd.DataFrame) -> Table:
    """Predicted and true effect of each intervention over a year, with their error."""
    rows = [
        [
            INTERVENTION_LABELS[row["intervention"]],
            f"{row['studios']:,}",
            *(f"{100 * row[name]:+.1f} %" for name in ("predicted_share", "true_share")),
            per_cent(row["effect_wape"], 0),
            per_cent(row["sign_share"], 0),
        ]
        for row in effect_errors(effects).to_dict("records")
    ]
    return Table(["change", "studios", "predicted effect", "true effect", "off by", "right sign"], rows)


def levers_known_table(errors: pd.DataFrame) -> Table:
    """WAPE of revenue with levers free and known, over month 1 and each span."""
    rows = [
        [months_label(span), f"{n:,}", per_cent(free, 2), per_cent(known, 2)]
        for span, n, free, known in errors.itertuples(index=False)
        if span in SUMMARY_SPANS
    ]
    return Table(["", "forecasts", "levers free", "levers known"], rows)
