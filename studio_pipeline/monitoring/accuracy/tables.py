"""Tables and figures of live accuracy: WAPE, bias, MASE and coverage, with intervals clustered by month.

Computed from the sums in `record`; the Dagster metadata is assembled in `assets.monitoring`.
Source: Cochran, Sampling Techniques (1977), chapter 6, for the variance of a ratio.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as student

from studio_pipeline.evaluation.report import drawing
from studio_pipeline.monitoring.accuracy.error_decomposition import PARTS

WHO = ["source", "kind", "role", "model_version"]
ERROR_COLUMNS = ["n", "months", "wape", "promised_wape", "bias", "mase", "low", "high"]


def error_table(cells: pd.DataFrame, by: Sequence[str] = (*WHO, "horizon")) -> pd.DataFrame:
    """WAPE with its interval, expected WAPE, bias and MASE of `record.error_cells`, a row a group."""
    lines = []
    names = ["n", "actual", "error", "absolute_error", "promised_error", "naive_error"]
    for key, group in cells.groupby(list(by), sort=True):
        wape, low, high, months = clustered_ratio(
            group["absolute_error"], group["actual"], group["month_year"]
        )
        n, actual, error, absolute, promised, naive = group[names].sum(min_count=len(group)).to_numpy()
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = (promised / actual, error / actual, absolute / naive)
        lines.append((*_parts(key), n, months, wape, *ratios, max(low, 0.0), high))
    return pd.DataFrame(lines, columns=[*by, *ERROR_COLUMNS])


def coverage_table(
    cells: pd.DataFrame, by: Sequence[str] = ("source", "kind", "role", "level")
) -> pd.DataFrame:
    """Coverage of the intervals in `record.coverage_cells`, with its confidence interval, a row a group."""
    lines = []
    for key, group in cells.groupby(list(by), sort=True):
        share, low, high, months = clustered_ratio(group["inside"], group["n"], group["month_year"])
        lines.append((*_parts(key), group["n"].sum(), months, share, max(low, 0.0), min(high, 1.0)))
    return pd.DataFrame(lines, columns=[*by, "n", "months", "coverage", "low", "high"])


def clustered_ratio(above: pd.Series, below: pd.Series, month: pd.Series) -> tuple[float, float, float, int]:
    """A ratio of sums, its 95 % interval with months as independent draws, and the number of months.

    Student's t, with the linearised variance of a ratio; NaN for a single month, which has no variance.
    Source: Cochran, Sampling Techniques (1977), chapter 6.
    """
    sums = pd.DataFrame({"above": above, "below": below}).groupby(month.to_numpy()).sum().to_numpy(np.float64)
    total, n = sums[:, 1].sum(), len(sums)
    if not total > 0:
        return float("nan"), float("nan"), float("nan"), n
    ratio, reach = float(sums[:, 0].sum() / total), float("nan")
    if n > 1:
        squares = ((sums[:, 0] - ratio * sums[:, 1]) ** 2).sum()
        reach = float(student.ppf(0.975, n - 1) * np.sqrt(squares * n / (n - 1))) / total
    return ratio, ratio - reach, ratio + reach, n


def _parts(key: Hashable) -> tuple[Any, ...]:
    return key if isinstance(key, tuple) else (key,)


_COLOURS = dict(zip(PARTS, ("#e08a1e", "#0f9d8a", drawing.ACCENT, "#a24bb0", "#8c949e"), strict=True))


def live_error(errors: pd.DataFrame) -> bytes:
    """PNG: WAPE by months ahead, live and expected, of an `error_table` by source and horizon alone."""
    if errors.empty:
        return drawing.note("No month that was forecast has arrived yet.")
    figure, (ax,) = drawing.new_figure(3.2)
    colours = {"published": drawing.ACCENT, "asked": drawing.WARM}
    for source, rows in errors.groupby("source"):
        colour, horizon = colours[str(source)], rows["horizon"]
        low, high = rows["low"].fillna(rows["wape"]), rows["high"].fillna(rows["wape"])
        ax.fill_between(horizon, low, high, color=colour, alpha=0.15, linewidth=0)
        ax.plot(horizon, rows["wape"], color=colour, marker="o", markersize=3.5, label=f"{source}, live")
        ax.plot(horizon, rows["promised_wape"], color=colour, linestyle=":", label=f"{source}, promised")
    ax.set_ylim(bottom=0)
    ax.set_xlabel("months ahead", fontsize=9)
    ax.yaxis.set_major_formatter(drawing.percent)
    drawing.title(ax, "Live error of the champion, with its 95 % interval")
    drawing.legend(ax)
    return drawing.to_png(figure)


def watch_course(months: pd.DataFrame) -> bytes:
    """PNG: the cumulative sums of a `watch.Watch` over their thresholds, month by month."""
    if months.empty:
        return drawing.note("No month that was forecast has arrived yet.")
    figure, (ax,) = drawing.new_figure(3.0)
    for name, colour, label in (
        ("error_sum", drawing.ACCENT, "error above the promise"),
        ("coverage_sum", drawing.WARM, "intervals that hold too rarely"),
    ):
        ax.plot(months["month_year"], months[name], color=colour, marker="o", markersize=3.5, label=label)
    ax.axhline(1.0, color=drawing.MUTED, linewidth=1, linestyle="--")
    ax.set_ylim(0, max(1.2, float(months[["error_sum", "coverage_sum"]].max().max()) * 1.1))
    drawing.title(ax, "What has added up against the model, of what makes an alarm")
    drawing.legend(ax)
    return drawing.to_png(figure)


def miss_parts(misses: pd.DataFrame, most: int = 12) -> bytes:
    """PNG: errors of the latest saved scenarios, split by cause."""
    if misses.empty:
        return drawing.note("No month of a saved scenario has arrived yet.")
    totals = misses.groupby(["scenario_id", "name"], sort=False)[list(PARTS)].sum().head(most)
    figure, (ax,) = drawing.new_figure(1.4 + 0.3 * len(totals))
    places = np.arange(len(totals))
    above, below = np.zeros(len(totals)), np.zeros(len(totals))
    for part in PARTS:
        values = totals[part].to_numpy(np.float64)
        ax.barh(places, values, left=np.where(values >= 0, above, below), color=_COLOURS[part], label=part)
        above, below = above + np.maximum(values, 0), below + np.minimum(values, 0)
    ax.axvline(0, color=drawing.MUTED, linewidth=0.8)
    ax.set_yticks(places, [str(name)[:30].replace("$", r"\$") for _, name in totals.index])
    ax.invert_yaxis()
    ax.xaxis.set_major_formatter(drawing.thousands)
    drawing.title(ax, "Actual less predicted revenue of saved scenarios, by cause")
    drawing.legend(ax)
    return drawing.to_png(figure)
