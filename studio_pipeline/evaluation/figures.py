"""Pictures of a model: errors, intervals, weights, importances, single forecasts. Each returns PNG bytes."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.ticker import LogLocator, NullFormatter

from studio_pipeline.evaluation.candidates import CANDIDATES, HORIZONS, LABELS, LEARNERS, TARGETS
from studio_pipeline.evaluation.drawing import (
    ACCENT,
    COLOURS,
    GRID,
    INK,
    MUTED,
    SERIES,
    SOFT,
    WARM,
    legend,
    legend_below,
    new_figure,
    note,
    percent,
    plain,
    style,
    thousands,
    title,
    to_png,
)
from studio_pipeline.forecasting.candidates import CANDIDATES as MEMBERS

DASHES: dict[str, str] = {"seasonal_naive": "--", "persistence": "--", "seasonal_naive_growth": "--"}


def actual_against_predicted(predictions: pd.DataFrame, target: str = "revenue") -> bytes:
    """Density of the ensemble's forecasts against what happened, near months beside far ones."""
    rows = predictions[predictions["target"] == target].dropna(subset=["actual", "ensemble"])
    if rows.empty:
        return note(f"No backtest forecasts of {target} to compare with what happened.")
    figure, axes = new_figure(3.9, columns=2)
    for ax, (first, last) in zip(axes, ((1, 3), (4, 12)), strict=True):
        part = rows[rows["horizon"].between(first, last)]
        _density(ax, part["ensemble"].to_numpy(np.float64), part["actual"].to_numpy(np.float64))
        title(ax, f"Months {first} to {last} ahead ({len(part):,})")
        ax.set_xlabel("forecast", fontsize=9)
    axes[0].set_ylabel(f"{target}: what happened", fontsize=9)
    return to_png(figure)


def error_by_horizon(metrics: pd.DataFrame, target: str = "revenue") -> bytes:
    """WAPE of the ensemble, its members and each baseline at horizons 1 to 12."""
    rows = _monthly(metrics, target)
    if rows["wape"].isna().all():
        return note(f"No backtest forecasts of {target} to judge.")
    figure, (ax,) = new_figure(3.8)
    for name in reversed(CANDIDATES):
        line = rows[rows["candidate"] == name].set_index("number")["wape"].reindex(HORIZONS)
        if line.notna().any():
            ax.plot(HORIZONS, line, label=LABELS[name], color=COLOURS[name], **_line_style(name))
    ax.set_ylim(bottom=0)
    ax.set_xticks(HORIZONS)
    ax.yaxis.set_major_formatter(percent)
    ax.set_xlabel("months ahead", fontsize=9)
    title(ax, f"Error of {target} (WAPE, lower is better)")
    legend_below(figure, ax, columns=4)
    return to_png(figure)


def coverage_by_horizon(metrics: pd.DataFrame) -> bytes:
    """Share of months inside the 90 % intervals, and how wide those are, at horizons 1 to 12."""
    known = metrics[(metrics["candidate"] == "ensemble") & metrics["coverage_90"].notna()]
    if known.empty:
        return note("No 90 % intervals to judge.")
    figure, (left, right) = new_figure(3.4, columns=2)
    left.axhspan(0.86, 0.94, color=GRID, alpha=0.6, linewidth=0)
    left.axhline(0.9, color=INK, linewidth=1)
    for target, colour in zip(TARGETS, SERIES, strict=False):
        rows = _monthly(known, target).set_index("number").reindex(HORIZONS)
        for ax, column in ((left, "coverage_90"), (right, "width_90")):
            if rows[column].notna().any():
                ax.plot(HORIZONS, rows[column], color=colour, marker="o", markersize=3.5, label=target)
    left.set_ylim(min(0.7, float(known["coverage_90"].min()) - 0.02), 1.005)
    right.set_ylim(bottom=0)
    title(left, "Months inside the 90 % interval")
    title(right, "Width of the interval, of the actual")
    for ax in (left, right):
        ax.set_xticks(HORIZONS)
        ax.set_xlabel("months ahead", fontsize=9)
        ax.yaxis.set_major_formatter(percent)
    legend_below(figure, left, columns=3)
    return to_png(figure)


def weights_by_horizon(weights: pd.DataFrame) -> bytes:
    """Stacked bars of the ensemble's weights (target, horizon, candidate, weight), a panel a target."""
    targets = [target for target in TARGETS if (weights["target"] == target).any()]
    if not targets:
        return note("No weights to show.")
    figure, axes = new_figure(3.4, columns=len(targets))
    shown = [name for name in MEMBERS if (weights["candidate"] == name).any()]
    for ax, target in zip(axes, targets, strict=True):
        rows = weights[weights["target"] == target]
        table = rows.pivot_table(
            index="horizon", columns="candidate", values="weight", aggfunc="sum"
        ).reindex(columns=shown, fill_value=0.0)
        bottom = np.zeros(len(table))
        for name in shown:
            height = table[name].fillna(0).to_numpy(np.float64)
            ax.bar(table.index, height, bottom=bottom, width=0.8, color=COLOURS[name], label=LABELS[name])
            bottom += height
        ax.set_xticks(list(table.index)[:: 1 if len(targets) < 3 else 2])
        ax.set_xlabel("months ahead", fontsize=9)
        ax.yaxis.set_major_formatter(percent)
        title(ax, f"Weights for {target}")
    legend_below(figure, axes[0], columns=4)
    return to_png(figure)


def feature_importances(importances: pd.DataFrame, target: str = "revenue", top: int = 15) -> bytes:
    """The features that the learners use most: the mean share as a bar, a dot a learner.

    `importances` has learner, target, feature, importance; shares add up to 1 within each learner.
    """
    shares = importance_shares(importances, target).head(top)
    if shares.empty:
        return note(f"No learner uses any feature for {target}.")
    figure, (ax,) = new_figure(0.9 + 0.26 * len(shares))
    places = np.arange(len(shares))
    ax.barh(places, shares["mean"], color=SOFT, height=0.68, label="mean of the learners")
    for learner in (name for name in LEARNERS if name in shares):
        ax.plot(shares[learner], places, "o", markersize=5, color=COLOURS[learner], label=LABELS[learner])
    ax.set_yticks(places, [plain(str(name)) for name in shares.index])
    ax.invert_yaxis()
    ax.grid(False, axis="y")
    ax.xaxis.set_major_formatter(percent)
    title(ax, f"Share of each feature in what the learners add to the core ({target})")
    legend(ax)
    return to_png(figure)


def importance_shares(importances: pd.DataFrame, target: str) -> pd.DataFrame:
    """Share of each feature within each learner (a column a learner, and `mean`), largest first."""
    rows = importances[importances["target"] == target]
    table = rows.pivot_table(index="feature", columns="learner", values="importance", aggfunc="sum").fillna(
        0.0
    )
    table = table.loc[:, table.sum() > 0]
    shares = table / table.sum()
    return (
        shares.assign(mean=shares.mean(axis=1)).sort_values("mean", ascending=False)
        if len(table.columns)
        else shares
    )


def forecast_fan(panel_frame: pd.DataFrame, predictions: pd.DataFrame, studio_id: str) -> bytes:
    """One studio's revenue, its forecast at the last origin with the 90 % interval, and what happened."""
    rows = predictions[(predictions["studio_id"] == studio_id) & (predictions["target"] == "revenue")]
    if rows.empty:
        return note(f"No backtest forecasts of {studio_id}.")
    rows = rows[rows["base_month"] == rows["base_month"].max()].sort_values("horizon")
    origin = rows["base_month"].iloc[0]
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


def _monthly(metrics: pd.DataFrame, target: str) -> pd.DataFrame:
    """Rows of single horizons of a target, with the horizon as `number`."""
    rows = metrics[(metrics["target"] == target) & ~metrics["horizon"].str.contains("-")]
    return rows.assign(number=rows["horizon"].astype(int))


def _line_style(name: str) -> dict[str, Any]:
    if name == "ensemble":
        return {"linewidth": 2.8, "marker": "o", "markersize": 4}
    return {"linewidth": 1.0 if name in LEARNERS else 1.6, "linestyle": DASHES.get(name, "-")}


def _density(ax: Axes, predicted: np.ndarray, actual: np.ndarray) -> None:
    style(ax)
    positive = (predicted > 0) & (actual > 0)
    scale: Literal["log", "linear"] = (
        "log" if positive.mean() > 0.99 and np.ptp(np.log(actual[positive])) > 1 else "linear"
    )
    keep = positive if scale == "log" else np.ones_like(positive)
    low, high = _limits(np.concatenate([predicted[keep], actual[keep]]), scale)
    ax.hexbin(
        predicted[keep],
        actual[keep],
        gridsize=44,
        bins="log",
        cmap=LinearSegmentedColormap.from_list("density", [SOFT, ACCENT, INK]),
        mincnt=1,
        linewidths=0,
        xscale=scale,
        yscale=scale,
        extent=(np.log10(low), np.log10(high)) * 2 if scale == "log" else (low, high) * 2,
    )
    ax.plot([low, high], [low, high], color=WARM, linewidth=1)
    ax.set_xlim(low, high)
    ax.set_ylim(low, high)
    for axis in (ax.xaxis, ax.yaxis):
        if scale == "log":
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_minor_formatter(NullFormatter())
        axis.set_major_formatter(thousands)


def _limits(values: np.ndarray, scale: str) -> tuple[float, float]:
    low, high = np.quantile(values, [0.0005, 0.9995])
    if scale == "log":
        return float(low / 1.1), float(high * 1.1)
    room = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    return float(low - room), float(high + room)
