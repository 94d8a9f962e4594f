"""Pictures of live accuracy. Each returns PNG bytes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from studio_pipeline.evaluation.drawing import (
    ACCENT,
    MUTED,
    WARM,
    legend,
    new_figure,
    note,
    percent,
    thousands,
    title,
    to_png,
)
from studio_pipeline.monitoring.accuracy_misses import PARTS

_COLOURS = dict(zip(PARTS, ("#e08a1e", "#0f9d8a", ACCENT, "#a24bb0", "#8c949e"), strict=True))


def live_error(errors: pd.DataFrame) -> bytes:
    """WAPE by months ahead, live and as the backtest promised.

    Args:
        errors: of `accuracy_tables.error_table`, grouped by source and horizon alone.
    """
    if errors.empty:
        return note("No month that was forecast has arrived yet.")
    figure, (ax,) = new_figure(3.2)
    colours = {"published": ACCENT, "asked": WARM}
    for source, rows in errors.groupby("source"):
        colour = colours[str(source)]
        low, high = rows["low"].fillna(rows["wape"]), rows["high"].fillna(rows["wape"])
        ax.fill_between(rows["horizon"], low, high, color=colour, alpha=0.15, linewidth=0)
        ax.plot(
            rows["horizon"], rows["wape"], color=colour, marker="o", markersize=3.5, label=f"{source}, live"
        )
        ax.plot(
            rows["horizon"], rows["promised_wape"], color=colour, linestyle=":", label=f"{source}, promised"
        )
    ax.set_ylim(bottom=0)
    ax.set_xlabel("months ahead", fontsize=9)
    ax.yaxis.set_major_formatter(percent)
    title(ax, "Live error of the champion, with its 95 % interval")
    legend(ax)
    return to_png(figure)


def watch_course(months: pd.DataFrame) -> bytes:
    """The cumulative sums over their thresholds, month by month.

    Args:
        months: of `accuracy_watch.Watch`.
    """
    if months.empty:
        return note("No month that was forecast has arrived yet.")
    figure, (ax,) = new_figure(3.0)
    for name, colour, label in (
        ("error_sum", ACCENT, "error above the promise"),
        ("coverage_sum", WARM, "intervals that hold too rarely"),
    ):
        ax.plot(months["month_year"], months[name], color=colour, marker="o", markersize=3.5, label=label)
    ax.axhline(1.0, color=MUTED, linewidth=1, linestyle="--")
    ax.set_ylim(0, max(1.2, float(months[["error_sum", "coverage_sum"]].max().max()) * 1.1))
    title(ax, "What has added up against the model, of what makes an alarm")
    legend(ax)
    return to_png(figure)


def miss_parts(misses: pd.DataFrame, most: int = 12) -> bytes:
    """The misses of the latest scenarios, in parts."""
    if misses.empty:
        return note("No month of a saved scenario has arrived yet.")
    totals = misses.groupby(["scenario_id", "name"], sort=False)[list(PARTS)].sum().head(most)
    figure, (ax,) = new_figure(1.4 + 0.3 * len(totals))
    places = np.arange(len(totals))
    above, below = np.zeros(len(totals)), np.zeros(len(totals))
    for part in PARTS:
        values = totals[part].to_numpy(np.float64)
        ax.barh(places, values, left=np.where(values >= 0, above, below), color=_COLOURS[part], label=part)
        above, below = above + np.maximum(values, 0), below + np.minimum(values, 0)
    ax.axvline(0, color=MUTED, linewidth=0.8)
    ax.set_yticks(places, [str(name)[:30].replace("$", r"\$") for _, name in totals.index])
    ax.invert_yaxis()
    ax.xaxis.set_major_formatter(thousands)
    title(ax, "Actual less predicted revenue of saved scenarios, by cause")
    legend(ax)
    return to_png(figure)
