"""Pictures of a backtest: forecasts beside what happened, errors beside the baselines'; PNG bytes."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.ticker import LogLocator, NullFormatter

from studio_pipeline.evaluation.candidates import CANDIDATES, HORIZONS, LABELS, LEARNERS
from studio_pipeline.evaluation.drawing import (
    ACCENT,
    COLOURS,
    INK,
    SOFT,
    WARM,
    legend_below,
    new_figure,
    note,
    percent,
    style,
    thousands,
    title,
    to_png,
)

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
    rows = single_months(metrics, target)
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


def single_months(metrics: pd.DataFrame, target: str) -> pd.DataFrame:
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
