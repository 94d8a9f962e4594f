"""Figures of lever effects, as PNG bytes.

Drawn from the tables of `lever_sweep`, `true_effects` and `metrics.summary`; style and helpers are in
`report.drawing`.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from studio_pipeline.evaluation.levers.lever_text import INTERVENTION_LABELS, LEVER_LABELS
from studio_pipeline.evaluation.metrics.prediction_table import HORIZONS
from studio_pipeline.evaluation.report.drawing import (
    ACCENT,
    GRID,
    INK,
    MUTED,
    SERIES,
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
from studio_pipeline.panel.columns import LEVER_COLUMNS, RATE_COLUMNS

MARKERS = tuple("o^sDv")


def revenue_by_lever(sweep: pd.DataFrame) -> bytes:
    """A year's revenue of the typical studio against each lever (columns as `lever_sweep.SWEEP_COLUMNS`)."""
    levers = [lever for lever in LEVER_LABELS if (sweep["lever"] == lever).any()]
    if not levers:
        return note("No studio's data carry a lever: there is nothing to sweep.")
    n_rows = (len(levers) + 1) // 2
    figure, axes = new_figure(0.6 + 1.85 * n_rows, columns=2, heights=(1,) * n_rows)
    room = 0.04 * float(sweep["upper_90"].max() - sweep["lower_90"].min())
    for ax, lever in zip(axes, levers, strict=False):
        _sweep(ax, sweep[sweep["lever"] == lever])
        ax.set_ylim(sweep["lower_90"].min() - room, sweep["upper_90"].max() + room)
        is_rate = LEVER_COLUMNS[lever] in RATE_COLUMNS
        ax.xaxis.set_major_formatter(percent if is_rate else thousands)
        ax.xaxis.set_major_locator(MaxNLocator(6))
        title(ax, LEVER_LABELS[lever])
    for ax in axes[len(levers) :]:
        ax.set_axis_off()
    figure.supylabel("revenue of the next twelve months, currency", fontsize=9, color=MUTED)
    legend_below(figure, axes[0], columns=3)
    return to_png(figure)


def _sweep(ax: Axes, rows: pd.DataFrame) -> None:
    shown = rows.iloc[0]
    ax.axvspan(
        shown["shown_low"], shown["shown_high"], color=GRID, alpha=0.8, linewidth=0, label="shown so far"
    )
    ax.fill_between(
        rows["value"],
        rows["lower_90"],
        rows["upper_90"],
        color=SOFT,
        alpha=0.75,
        linewidth=0,
        label="90 % interval",
    )
    ax.axhline(shown["free_revenue"], color=INK, linewidth=1, linestyle="--", label="every lever free")
    ax.plot(rows["value"], rows["revenue"], color=ACCENT, linewidth=2, label="lever held")
    now = rows[rows["is_present"]]
    ax.plot(now["value"], now["revenue"], "o", color=WARM, markersize=6, label="where it stands")
    ax.yaxis.set_major_formatter(thousands)


def predicted_against_true_effects(effects: pd.DataFrame) -> bytes:
    """A year's predicted effect against the true one, a dot per studio (columns as `EFFECT_COLUMNS`)."""
    if effects.empty:
        return note("The truth about levers is known for generated months alone: nothing to compare here.")
    year = effects.groupby(["intervention", "studio_id"])[
        ["predicted_effect", "true_effect", "free_revenue"]
    ].sum()
    shares = year[["true_effect", "predicted_effect"]].div(year["free_revenue"], axis=0)
    low, high = float(shares.min().min()), float(shares.max().max())
    room = 0.06 * (high - low)
    ends = [low - room, high + room]
    figure, (ax,) = new_figure(5.2)
    ax.plot(ends, ends, color=INK, linewidth=1)
    ax.axhline(0, color=MUTED, linewidth=0.7)
    ax.axvline(0, color=MUTED, linewidth=0.7)
    present = [name for name in INTERVENTION_LABELS if name in shares.index.get_level_values(0)]
    for name, colour, marker in zip(present, SERIES, MARKERS, strict=False):
        dots = shares.loc[name]
        style: dict[str, Any] = {
            "color": colour,
            "marker": marker,
            "markersize": 5.5,
            "alpha": 0.85,
            "markeredgewidth": 0,
        }
        ax.plot(
            dots["true_effect"],
            dots["predicted_effect"],
            linestyle="",
            label=INTERVENTION_LABELS[name],
            **style,
        )
    ax.set_xlim(*ends)
    ax.set_ylim(*ends)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(_signed_percent)
    ax.set_xlabel("true effect on the year's revenue", fontsize=9)
    ax.set_ylabel("predicted effect on the year's revenue", fontsize=9)
    title(ax, "Effect of one lever on the revenue of the next twelve months")
    legend_below(figure, ax, columns=3)
    return to_png(figure)


def errors_with_levers_free_and_known(errors: pd.DataFrame) -> bytes:
    """WAPE of revenue at horizons 1 to 12 (columns as `metrics.summary.COLUMNS`)."""
    rows = errors[~errors["horizon"].astype(str).str.contains("-")]
    if rows.empty:
        return note("The backtest has no forecasts that were given the levers.")
    lines = rows.assign(number=rows["horizon"].astype(int)).set_index("number").reindex(HORIZONS)
    figure, (ax,) = new_figure(3.2)
    for column, label, colour, marker in (
        ("levers_free", "levers free: a forecast", ACCENT, "o"),
        ("levers_known", "levers known: given what they then did", "#e08a1e", "s"),
    ):
        ax.plot(HORIZONS, lines[column], color=colour, marker=marker, markersize=4, label=label)
    ax.set_ylim(bottom=0)
    ax.set_xticks(HORIZONS)
    ax.set_xlabel("months ahead", fontsize=9)
    ax.yaxis.set_major_formatter(percent)
    title(ax, "Error of revenue (WAPE), levers free and levers known")
    legend_below(figure, ax, columns=2)
    return to_png(figure)


_signed_percent = FuncFormatter(lambda value, _: f"{100 * value:+.3g} %" if abs(value) > 1e-9 else "0 %")
