"""Sentences of the report on data and model.

Verdict, quality and intervals from the summary; weights and importances of the ensemble; size, growth, season
and gaps of the data. Sentences on levers are in `levers.lever_text`, those on responses in `response_tables`.
"""

from __future__ import annotations

import math

import pandas as pd

from studio_pipeline.evaluation.formatting import NO_WEIGHT, joined, per_cent
from studio_pipeline.evaluation.metrics.prediction_table import (
    LABELS,
    TARGETS,
    Summary,
    best_baseline,
)
from studio_pipeline.evaluation.report.data_figures import MONTH_NAMES, seasonal_factor_table
from studio_pipeline.evaluation.report.drawing import short_number
from studio_pipeline.evaluation.report.model_figures import importance_shares
from studio_pipeline.forecasting.base.hyperparameters import LEARNERS
from studio_pipeline.forecasting.ensemble.candidates import CANDIDATES as MEMBERS
from studio_pipeline.panel.columns import NUMERIC_COLUMNS

ARTICLES = {"core": "the ", "random_forest": "the ", "direct": "its ", "smoothing": "its "}
NOT_JUDGED = "There are too few months to backtest this model: nothing below shows how good it is."


def verdict(summary: Summary, target: str = "revenue", span: str = "1-12") -> str:
    """Comparison of the ensemble with the best simple baseline: the difference and its uncertainty."""
    baseline = best_baseline(summary, target, span)
    if baseline is None:
        return NOT_JUDGED
    name = f"{target}_versus_{baseline}_{span}"
    difference, noise = summary[name], summary.get(f"{name}_standard_error", math.nan)
    months = f"Over months {span}" if "-" in span else f"At month {span}"
    best = f"the best simple baseline ({LABELS[baseline]})"
    by = f"by {per_cent(abs(difference))}" + (f", give or take {per_cent(2 * noise)}" if noise > 0 else "")
    if difference < 0:
        return f"{months} the ensemble beats {best} {by}."
    chance = ", which chance may explain" if difference <= 2 * noise else ""
    return f"{months} the ensemble does not beat {best}: its error is larger {by}{chance}."


def quality(summary: Summary) -> list[str]:
    """Sentences on the accuracy of the revenue forecasts, or one that there is nothing to judge it by."""
    error = {span: summary.get(f"revenue_wape_{span}_ensemble", math.nan) for span in ("1", "1-3", "1-12")}
    if not math.isfinite(error["1"]):
        return [NOT_JUDGED]
    within = {near: per_cent(summary[f"revenue_within_{near}_pct_1-3"], 0) for near in (5, 10)}
    return [
        f"One month ahead, forecasts of revenue missed by {per_cent(error['1'])} of it; over months 1-3 by"
        f" {per_cent(error['1-3'])}, and over the whole year by {per_cent(error['1-12'])}.",
        f"{within[5]} of the first three months landed within 5 % of what happened,"
        f" {within[10]} within 10 %; the three-month total was"
        f" right to {per_cent(summary['revenue_three_month_total_accuracy'])}.",
        verdict(summary, span="1-3"),
        verdict(summary, span="1-12"),
        intervals(summary),
    ]


def intervals(summary: Summary, target: str = "revenue", span: str = "1-12") -> str:
    """Comparison of the 90 % intervals' coverage with the nominal level, given the sample's noise."""
    covered = summary.get(f"{target}_coverage_90_{span}", math.nan)
    if not math.isfinite(covered):
        return f"The 90 % intervals of {target} could not be judged."
    noise = summary.get(f"{target}_coverage_90_{span}_standard_error", math.nan)
    off = abs(covered - 0.9) > max(0.02, 2 * noise if math.isfinite(noise) else 0)
    kept = "they are too wide" if covered > 0.9 else "they promise too much"
    width = per_cent(summary[f"{target}_width_90_{span}"], 0)
    text = f"The 90 % intervals of {target} held {per_cent(covered)} of what happened over months {span}"
    return (
        f"{text}: {kept if off else 'as good as promised'}. They are {width} of the actual wide on average."
    )


def weights_in_words(weights: pd.DataFrame) -> list[str]:
    """One sentence per target: the candidate with most weight, and those without any."""
    sentences = []
    for target in (t for t in TARGETS if (weights["target"] == t).any()):
        mean = weights[weights["target"] == target].groupby("candidate")["weight"].mean()
        leader = str(mean.idxmax())
        learners = float(mean.reindex(LEARNERS).fillna(0).sum())
        sentences.append(
            f"For {target} {ARTICLES.get(leader, '')}{LABELS[leader]} carries most"
            f" ({per_cent(float(mean[leader]), 0)} on average over the horizons); the three learners together"
            f" have {per_cent(learners, 0)}.{_zero_weights(mean)}"
        )
    return sentences


def _zero_weights(mean: pd.Series[float]) -> str:
    """The candidates without weight in the mean over the horizons, and the reason; else empty."""
    idle = [name for name in MEMBERS if name in mean.index and mean[name] < NO_WEIGHT]
    learners = [LABELS[name] for name in idle if name in LEARNERS]
    simple = [LABELS[name] for name in idle if name not in (*LEARNERS, "core")]
    words = []
    if learners:
        words.append(
            f"{joined(learners)} earned no place: what was learned of the core's misses did not hold in"
            " months that were not learned from"
        )
    if "core" in idle:
        words.append(
            f"the bare {LABELS['core']} earned no place: its corrections and the baselines do better"
        )
    if simple:
        words.append(f"{joined(simple)} earned no place, as nothing is left for simple rules to add")
    return f" A weight of zero is a finding: {'; '.join(words)}." if words else ""


def importances_in_words(importances: pd.DataFrame) -> list[str]:
    """One sentence per target: its strongest features."""
    sentences = []
    for target in TARGETS:
        shares = importance_shares(importances, target)
        if not shares.empty:
            top = [f"{name} ({per_cent(value, 0)})" for name, value in shares["mean"].head(3).items()]
            sentences.append(f"For {target} the learners lean on {joined(top)}.")
    return sentences or ["The learners use no feature: their corrections are zero or constant."]


def data_in_words(panel_frame: pd.DataFrame) -> list[str]:
    """Sentences on growth, season and gaps of the data, one each where there is one."""
    return [*_growth(panel_frame), *_season(panel_frame), *_gaps(panel_frame)]


def panel_in_words(panel_frame: pd.DataFrame) -> str:
    """Size and period of the panel in one sentence."""
    if panel_frame.empty:
        return "There are no months."
    first, last = panel_frame["month_year"].min(), panel_frame["month_year"].max()
    studios, types = panel_frame["studio_id"].nunique(), panel_frame["studio_type"].dropna().nunique()
    kinds = f" of {types} {'type' if types == 1 else 'types'}" if types else ""
    return (
        f"{len(panel_frame):,} months of {studios:,} {'studio' if studios == 1 else 'studios'}{kinds},"
        f" from {first:%B %Y} to {last:%B %Y}."
    )


def rejected_in_words(rejected: pd.DataFrame, accepted: int) -> str:
    """Number and share of the rejected rows, in one sentence."""
    if rejected.empty:
        return "No row was rejected."
    rows = len(rejected.drop_duplicates([c for c in ("file", "line") if c in rejected]))
    share = per_cent(rows / (rows + accepted), 2)
    return f"{rows:,} {'row was' if rows == 1 else 'rows were'} left out ({share} of those given), and why:"


def _growth(panel_frame: pd.DataFrame) -> list[str]:
    revenue = panel_frame.pivot_table(
        index="month_year", columns="studio_id", values="total_revenue", aggfunc="sum"
    )
    last = revenue.asfreq("MS").tail(24).dropna(axis=1) if len(revenue) >= 24 else pd.DataFrame()
    now, before = float(last.tail(12).sum().sum()), float(last.head(12).sum().sum())
    if not before > 0:
        return []
    change = f"{per_cent(abs(now / before - 1))} {'more' if now >= before else 'less'}"
    return [
        f"The studios that have all of the last 24 months ({last.shape[1]:,}) took in"
        f" {short_number(now)} in the last twelve, {change} than in the twelve before."
    ]


def _season(panel_frame: pd.DataFrame) -> list[str]:
    factors = seasonal_factor_table(panel_frame)
    if factors.empty:
        return []
    reach = factors.max() - factors.min()
    widest = reach.idxmax()
    line = factors[widest]
    best, worst = (MONTH_NAMES[int(place)] for place in (line.argmax(), line.argmin()))
    return [
        f"The season is strongest for {widest}: {best} lies above {worst} by"
        f" {per_cent(float(reach.max()), 0)} of a year's average month."
    ]


def _gaps(panel_frame: pd.DataFrame) -> list[str]:
    known = panel_frame.notna().any()
    absent = [name for name in NUMERIC_COLUMNS if name in known.index and not known[name]]
    return [f"No month gives {joined(absent)}."] if absent and len(panel_frame) else []
