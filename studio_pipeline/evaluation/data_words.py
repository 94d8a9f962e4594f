"""The report's sentences on the data: size, growth, season, gaps, rejected rows."""

from __future__ import annotations

import pandas as pd

from studio_pipeline.evaluation.data_figures import MONTH_NAMES, seasonal_factor_table
from studio_pipeline.evaluation.drawing import short_number
from studio_pipeline.evaluation.wording import joined, per_cent
from studio_pipeline.panel.columns import NUMERIC_COLUMNS


def data_in_words(panel_frame: pd.DataFrame) -> list[str]:
    """What the pictures of the data show: growth, season, gaps; a sentence each, where there is one."""
    return [*_growth(panel_frame), *_season(panel_frame), *_gaps(panel_frame)]


def panel_in_words(panel_frame: pd.DataFrame) -> str:
    """Size and reach of the panel in one sentence."""
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
    """How much was turned away, in one sentence."""
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
