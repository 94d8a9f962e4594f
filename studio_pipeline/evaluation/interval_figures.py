"""Pictures of intervals: how often they hold, how wide they are, one studio's fan. Each returns PNG bytes."""

from __future__ import annotations

from typing import Any

import pandas as pd

from studio_pipeline.evaluation.backtest_figures import single_months
from studio_pipeline.evaluation.candidates import HORIZONS, INTERVAL_LEVELS_PERCENT
from studio_pipeline.evaluation.drawing import (
    ACCENT,
    GRID,
    INK,
    MUTED,
    SOFT,
    WARM,
    legend_below,
    new_figure,
    note,
    percent,
    thousands,
    title,
    to_png,
)

LEVEL_COLOURS = ("#e08a1e", "#0f9d8a", ACCENT)


def coverage_by_horizon(metrics: pd.DataFrame, target: str = "revenue") -> bytes:
    """Share of months inside the intervals of each level, of totals inside theirs; and their width."""
    rows = single_months(metrics[metrics["candidate"] == "ensemble"], target)
    rows = rows.set_index("number").reindex(HORIZONS)
    if rows["coverage_90"].isna().all():
        return note(f"No intervals of {target} to judge.")
    figure, (left, right) = new_figure(3.6, columns=2)
    left.axhspan(0.86, 0.94, color=GRID, alpha=0.6, linewidth=0)
    for level, colour in zip(INTERVAL_LEVELS_PERCENT, LEVEL_COLOURS, strict=True):
        line = rows[f"coverage_{level}"]
        if line.notna().any():
            left.axhline(level / 100, color=colour, linewidth=1, linestyle=":")
            left.plot(HORIZONS, line, color=colour, marker="o", markersize=3.5, label=f"{level} % of a month")
    if rows["coverage_total"].notna().any():
        total: dict[str, Any] = {
            "color": INK,
            "marker": "s",
            "markersize": 3,
            "linewidth": 1.2,
            "linestyle": "--",
        }
        left.plot(HORIZONS, rows["coverage_total"], label="90 % of the total so far", **total)
    right.plot(HORIZONS, rows["width_90"], color=ACCENT, marker="o", markersize=3.5)
    left.set_ylim(_floor(rows), 1.02)
    right.set_ylim(bottom=0)
    title(left, "Share inside the interval")
    title(right, "Width of the 90 % interval, of the actual")
    for ax in (left, right):
        ax.set_xticks(HORIZONS)
        ax.set_xlabel("months ahead", fontsize=9)
        ax.yaxis.set_major_formatter(percent)
    legend_below(figure, left, columns=4)
    return to_png(figure)


def _floor(rows: pd.DataFrame) -> float:
    """Just under the lowest share, and no higher than 70 %."""
    columns = [f"coverage_{kind}" for kind in (*INTERVAL_LEVELS_PERCENT, "total")]
    return min(0.7, float(rows[columns].min().min()) - 0.06)


def forecast_fan(panel_frame: pd.DataFrame, predictions: pd.DataFrame, studio_id: str) -> bytes:
    """One studio's revenue, a forecast of it with the 90 % interval, and what happened.

    The forecast is that of the latest origin of which the most months are known: all twelve, as a rule.
    """
    rows = predictions[(predictions["studio_id"] == studio_id) & (predictions["target"] == "revenue")]
    if rows.empty:
        return note(f"No backtest forecasts of {studio_id}.")
    origin = _best_known_origin(rows)
    rows = rows[rows["base_month"] == origin].sort_values("horizon")
    history = panel_frame[panel_frame["studio_id"] == studio_id].sort_values("month_year")
    before = history[
        (history["month_year"] <= origin) & (history["month_year"] > origin - pd.DateOffset(months=36))
    ]
    figure, (ax,) = new_figure(3.6)
    ax.plot(
        before["month_year"], before["total_revenue"], color=INK, linewidth=1.6, label="known at the origin"
    )
    last = before["total_revenue"].iloc[-1:].tolist() if (before["month_year"] == origin).any() else []
    months = [origin] * len(last) + rows["month_year"].tolist()
    ax.fill_between(
        months,
        [*last, *rows["lower_90"]],
        [*last, *rows["upper_90"]],
        color=SOFT,
        alpha=0.7,
        linewidth=0,
        label="90 % interval",
    )
    ax.plot(months, [*last, *rows["ensemble"]], color=ACCENT, linewidth=1.8, label="forecast")
    ax.plot(rows["month_year"], rows["actual"], "o", color=WARM, markersize=4, label="what happened")
    ax.axvline(origin, color=MUTED, linewidth=0.8, linestyle=":")
    ax.set_ylim(bottom=0)
    ax.yaxis.set_major_formatter(thousands)
    title(ax, f"{studio_id}: revenue a month, forecast from {origin:%B %Y}")
    legend_below(figure, ax, columns=4)
    return to_png(figure)


def _best_known_origin(rows: pd.DataFrame) -> Any:
    """Month, a timestamp: the latest of the origins of which the most forecast months are known."""
    comparable = rows["actual"].notna() & rows["ensemble"].notna()
    known = comparable.groupby(rows["base_month"]).sum()
    return known.index[known == known.max()].max()
