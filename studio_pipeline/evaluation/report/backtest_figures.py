"""Figures of the backtest and its intervals, as PNG bytes.

Drawn from backtest predictions and the metric table; style and helpers are in `drawing`, tables of the same
figures in `tables`.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.ticker import LogLocator, NullFormatter

from studio_pipeline.evaluation.metrics.prediction_table import (
    CANDIDATES,
    HORIZONS,
    INTERVAL_LEVELS_PERCENT,
    LABELS,
    SIMPLE_BASELINES,
)
from studio_pipeline.evaluation.report import drawing
from studio_pipeline.forecasting.base.hyperparameters import LEARNERS


def actual_against_predicted(predictions: pd.DataFrame, target: str = "revenue") -> bytes:
    """Density of the ensemble's forecasts against the actual values, near and far months side by side."""
    rows = predictions[predictions["target"] == target].dropna(subset=["actual", "ensemble"])
    if rows.empty:
        return drawing.note(f"No backtest forecasts of {target} to compare with what happened.")
    figure, axes = drawing.new_figure(3.9, columns=2)
    for ax, (first, last) in zip(axes, ((1, 3), (4, 12)), strict=True):
        part = rows[rows["horizon"].between(first, last)]
        _density(ax, part["ensemble"].to_numpy(np.float64), part["actual"].to_numpy(np.float64))
        drawing.title(ax, f"Months {first} to {last} ahead ({len(part):,})")
        ax.set_xlabel("forecast", fontsize=9)
    axes[0].set_ylabel(f"{target}: what happened", fontsize=9)
    return drawing.to_png(figure)


def error_by_horizon(metrics: pd.DataFrame, target: str = "revenue") -> bytes:
    """WAPE of the ensemble, its members and each baseline at horizons 1 to 12."""
    rows = _single_months(metrics, target)
    if rows["wape"].isna().all():
        return drawing.note(f"No backtest forecasts of {target} to judge.")
    figure, (ax,) = drawing.new_figure(3.8)
    for name in reversed(CANDIDATES):
        line = rows[rows["candidate"] == name].set_index("number")["wape"].reindex(HORIZONS)
        if line.notna().any():
            style: dict[str, Any] = {"linewidth": 1.0 if name in LEARNERS else 1.6}
            style["linestyle"] = "--" if name in SIMPLE_BASELINES else "-"
            if name == "ensemble":
                style = {"linewidth": 2.8, "marker": "o", "markersize": 4}
            ax.plot(HORIZONS, line, label=LABELS[name], color=drawing.COLOURS[name], **style)
    ax.set_ylim(bottom=0)
    drawing.by_months_ahead(ax)
    drawing.title(ax, f"Error of {target} (WAPE, lower is better)")
    drawing.legend_below(figure, columns=4)
    return drawing.to_png(figure)


def _single_months(metrics: pd.DataFrame, target: str) -> pd.DataFrame:
    """Rows of single horizons of a target, with the horizon as `number`."""
    rows = metrics[(metrics["target"] == target) & ~metrics["horizon"].str.contains("-")]
    return rows.assign(number=rows["horizon"].astype(int))


def _density(ax: Axes, predicted: np.ndarray, actual: np.ndarray) -> None:
    drawing.style(ax)
    positive = (predicted > 0) & (actual > 0)
    scale: Literal["log", "linear"] = (
        "log" if positive.mean() > 0.99 and np.ptp(np.log(actual[positive])) > 1 else "linear"
    )
    keep = positive if scale == "log" else np.ones_like(positive)
    low, high = _limits(np.concatenate([predicted[keep], actual[keep]]), scale)
    style: dict[str, Any] = {"gridsize": 44, "bins": "log", "mincnt": 1, "linewidths": 0}
    style["cmap"] = LinearSegmentedColormap.from_list("density", [drawing.SOFT, drawing.ACCENT, drawing.INK])
    style["extent"] = (np.log10(low), np.log10(high)) * 2 if scale == "log" else (low, high) * 2
    ax.hexbin(predicted[keep], actual[keep], xscale=scale, yscale=scale, **style)
    ax.plot([low, high], [low, high], color=drawing.WARM, linewidth=1)
    ax.set_xlim(low, high)
    ax.set_ylim(low, high)
    for axis in (ax.xaxis, ax.yaxis):
        if scale == "log":
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_minor_formatter(NullFormatter())
        axis.set_major_formatter(drawing.thousands)


def _limits(values: np.ndarray, scale: str) -> tuple[float, float]:
    low, high = np.quantile(values, [0.0005, 0.9995])
    if scale == "log":
        return float(low / 1.1), float(high * 1.1)
    room = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    return float(low - room), float(high + room)


LEVEL_COLOURS = ("#e08a1e", "#0f9d8a", drawing.ACCENT)


def coverage_by_horizon(metrics: pd.DataFrame, target: str = "revenue") -> bytes:
    """Coverage of monthly and total intervals, and width of the 90 % interval, by horizon."""
    rows = _single_months(metrics[metrics["candidate"] == "ensemble"], target)
    rows = rows.set_index("number").reindex(HORIZONS)
    if rows["coverage_90"].isna().all():
        return drawing.note(f"No intervals of {target} to judge.")
    figure, (left, right) = drawing.new_figure(3.6, columns=2)
    left.axhspan(0.86, 0.94, color=drawing.GRID, alpha=0.6, linewidth=0)
    for level, colour in zip(INTERVAL_LEVELS_PERCENT, LEVEL_COLOURS, strict=True):
        line = rows[f"coverage_{level}"]
        if line.notna().any():
            left.axhline(level / 100, color=colour, linewidth=1, linestyle=":")
            left.plot(HORIZONS, line, color=colour, marker="o", markersize=3.5, label=f"{level} % of a month")
    if rows["coverage_total"].notna().any():
        total: dict[str, Any] = {"marker": "s", "markersize": 3, "linewidth": 1.2, "linestyle": "--"}
        total |= {"color": drawing.INK, "label": "90 % of the total so far"}
        left.plot(HORIZONS, rows["coverage_total"], **total)
    right.plot(HORIZONS, rows["width_90"], color=drawing.ACCENT, marker="o", markersize=3.5)
    shares = rows[[f"coverage_{kind}" for kind in (*INTERVAL_LEVELS_PERCENT, "total")]]
    left.set_ylim(min(0.7, float(shares.min().min()) - 0.06), 1.02)
    right.set_ylim(bottom=0)
    drawing.title(left, "Share inside the interval")
    drawing.title(right, "Width of the 90 % interval, of the actual")
    for ax in (left, right):
        drawing.by_months_ahead(ax)
    drawing.legend_below(figure, columns=4)
    return drawing.to_png(figure)


def forecast_fan(panel_frame: pd.DataFrame, predictions: pd.DataFrame, studio_id: str) -> bytes:
    """One studio's revenue, a forecast of it with the 90 % interval, and the actual values.

    The forecast starts at the latest origin with the largest number of known forecast months, usually twelve.
    """
    rows = predictions[(predictions["studio_id"] == studio_id) & (predictions["target"] == "revenue")]
    if rows.empty:
        return drawing.note(f"No backtest forecasts of {studio_id}.")
    comparable = (rows["actual"].notna() & rows["ensemble"].notna()).groupby(rows["base_month"]).sum()
    origin = comparable.index[comparable == comparable.max()].max()
    rows = rows[rows["base_month"] == origin].sort_values("horizon")
    history = panel_frame[panel_frame["studio_id"] == studio_id].sort_values("month_year")
    before = history[history["month_year"].between(origin - pd.DateOffset(months=35), origin)]
    figure, (ax,) = drawing.new_figure(3.6)
    known = (before["month_year"], before["total_revenue"])
    ax.plot(*known, color=drawing.INK, linewidth=1.6, label="known at the origin")
    last = before["total_revenue"].iloc[-1:].tolist() if (before["month_year"] == origin).any() else []
    months = [origin] * len(last) + rows["month_year"].tolist()
    lower, upper = [*last, *rows["lower_90"]], [*last, *rows["upper_90"]]
    ax.fill_between(months, lower, upper, color=drawing.SOFT, alpha=0.7, linewidth=0, label="90 % interval")
    ax.plot(months, [*last, *rows["ensemble"]], color=drawing.ACCENT, linewidth=1.8, label="forecast")
    ax.plot(rows["month_year"], rows["actual"], "o", color=drawing.WARM, markersize=4, label="what happened")
    ax.axvline(origin, color=drawing.MUTED, linewidth=0.8, linestyle=":")
    ax.set_ylim(bottom=0)
    ax.yaxis.set_major_formatter(drawing.thousands)
    drawing.title(ax, f"{studio_id}: revenue a month, forecast from {origin:%B %Y}")
    drawing.legend_below(figure, columns=4)
    return drawing.to_png(figure)
