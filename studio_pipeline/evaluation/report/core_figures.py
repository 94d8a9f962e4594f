"""Figures of the stock-and-flow core: seasons and responses to levers, as PNG bytes.

Drawn from the tables of `response_tables`; style and helpers are in `drawing`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from studio_pipeline.evaluation.report.drawing import (
    ACCENT,
    GRID,
    INK,
    MUTED,
    SERIES,
    new_figure,
    note,
    percent,
    title,
    to_png,
)
from studio_pipeline.evaluation.report.response_tables import RESPONDING_FLOWS

FLOW_TITLES: dict[str, str] = {
    "retention": "Retention, points about its average",
    "acquisition": "New members, of the average month",
    "ticket": "Ticket price, of the average month",
    "visits": "Visits per member, of the average",
    "revenue": "Revenue, of the average month",
}
SOURCE_COLOURS = {"data": ACCENT, "pooled": "#0f9d8a", "prior": MUTED}
UNUSED_SOURCE = "prior"
UNUSED = "estimate from the months, not used"
MARKERS = tuple("os^DvPX*")
MONTH_LETTERS = list("JFMAMJJASOND")
signed = FuncFormatter(lambda value, _: f"{value:+.3g}" if abs(value) > 1e-9 else "0")


def seasons_by_flow(factors: pd.DataFrame) -> bytes:
    """Seasonal factors (columns as `response_tables.SEASON_COLUMNS`), a panel per flow, a line per type."""
    flows = [flow for flow in FLOW_TITLES if (factors["flow"] == flow).any()]
    if not flows:
        return note("No flow shows a season yet.")
    types = sorted(factors["studio_type"].unique())[: len(SERIES)]
    n_rows = (len(flows) + 2) // 2
    figure, axes = new_figure(2.1 * n_rows, columns=2, heights=(1,) * n_rows)
    for ax, flow in zip(axes, flows, strict=False):
        rows = factors[factors["flow"] == flow]
        for name, colour, marker in zip(types, SERIES, MARKERS, strict=False):
            line = rows[rows["studio_type"] == name].set_index("calendar_month")["factor"]
            if len(line):
                ax.plot(
                    line.index, line, color=colour, marker=marker, markersize=3.5, label=name or "no type"
                )
        _season_axis(ax, is_points=bool((rows["unit"] == "points").all()))
        title(ax, FLOW_TITLES[flow])
    for ax in axes[len(flows) :]:
        ax.set_axis_off()
    handles, labels = axes[0].get_legend_handles_labels()
    axes[len(flows)].legend(handles, labels, loc="center left", frameon=False, fontsize=8.5, labelcolor=INK)
    return to_png(figure)


def _season_axis(ax: Axes, *, is_points: bool) -> None:
    ax.axhline(0.0 if is_points else 1.0, color=INK, linewidth=0.8)
    ax.set_xticks(range(1, 13), MONTH_LETTERS)
    ax.yaxis.set_major_formatter(signed if is_points else percent)


def responses_with_error_bars(table: pd.DataFrame) -> bytes:
    """Impacts with 90 % error bars (columns as `response_tables.RESPONSE_COLUMNS`), a panel per flow.

    A response counted as zero is a hollow dot; its bar, if there is one, is the estimate from the months.
    """
    flows = [flow for flow in RESPONDING_FLOWS if (table["flow"] == flow).any()]
    if not flows:
        return note("The months don't show who stays and who joins: there is no response to draw.")
    sizes = [float((table["flow"] == flow).sum()) + 0.8 for flow in flows]
    figure, axes = new_figure(0.7 + 0.42 * sum(sizes), heights=sizes)
    for ax, flow in zip(axes, flows, strict=True):
        rows = table[table["flow"] == flow].reset_index(drop=True)
        ax.axvline(0, color=INK, linewidth=0.9)
        for source, part in rows.groupby(rows["source"].where(rows["effect"] != 0, UNUSED_SOURCE)):
            _error_bars(ax, part, str(source))
        ax.set_yticks(range(len(rows)), list(rows["change"]))
        ax.set_ylim(len(rows) - 0.4, -0.6)
        ax.grid(False, axis="y")
        ax.xaxis.set_major_formatter(signed)
        unit = "percentage points" if flow == "retention" else "per cent"
        title(ax, f"Change of {RESPONDING_FLOWS[flow]}, {unit}")
    legends = [zip(*ax.get_legend_handles_labels(), strict=True) for ax in axes]
    handles = {text: handle for entries in legends for handle, text in entries}
    figure.legend(
        list(handles.values()),
        list(handles),
        loc="outside lower center",
        ncols=3,
        frameon=False,
        fontsize=8,
        labelcolor=INK,
    )
    return to_png(figure)


def _error_bars(ax: Axes, rows: pd.DataFrame, source: str) -> None:
    """Dots and error bars of the responses from one source."""
    is_prior = source == UNUSED_SOURCE
    impact = rows["impact_used"].to_numpy(np.float64)
    bars = np.stack([impact - rows["impact_low"], rows["impact_high"] - impact])
    if is_prior:
        estimated = rows[rows["estimate"].notna()]
        ax.hlines(
            estimated.index,
            estimated["impact_low"],
            estimated["impact_high"],
            color=GRID,
            linewidth=5,
            zorder=1,
            label=UNUSED,
        )
    ax.errorbar(
        impact,
        rows.index,
        xerr=None if is_prior else bars,
        fmt="o",
        color=SOURCE_COLOURS.get(source, ACCENT),
        markerfacecolor="white" if is_prior else None,
        markersize=6,
        capsize=4,
        linewidth=1.8,
        label="not used: counted as zero" if is_prior else f"from {source}, with 90 % error bar",
    )
