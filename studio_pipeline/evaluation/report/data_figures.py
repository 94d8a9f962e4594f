"""Figures of the data, as PNG bytes: the fleet, its season, its gaps, rejected rows, and correlations.

Drawn from validated months, rejected rows and features, without any model; style and helpers are in
`drawing`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from studio_pipeline.evaluation.report import drawing

MONTH_NAMES = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
MOST_TYPES = len(drawing.SERIES)
MOST_CORRELATED_ROWS = 50_000


def fleet_revenue(panel_frame: pd.DataFrame) -> bytes:
    """Monthly revenue of all studios, stacked by type, and the number of studios with data in each month."""
    if panel_frame.empty:
        return drawing.note("No months to show.")
    rows = panel_frame.assign(studio_type=_types(panel_frame))
    totals = rows.pivot_table(
        index="month_year", columns="studio_type", values="total_revenue", aggfunc="sum"
    )
    totals = totals.asfreq("MS").fillna(0.0)
    studios = rows.groupby("month_year")["studio_id"].nunique().asfreq("MS").fillna(0)
    figure, (ax, below) = drawing.new_figure(4.2, heights=(3.4, 1))
    names, values = list(totals.columns), totals.T.to_numpy()
    ax.stackplot(totals.index, values, labels=names, colors=drawing.SERIES, alpha=0.85)
    ax.set_ylim(bottom=0)
    ax.yaxis.set_major_formatter(drawing.thousands)
    drawing.title(ax, "Revenue of the whole fleet a month")
    below.step(studios.index, studios, color=drawing.INK, linewidth=1.4, where="mid")
    below.set_ylim(0, float(studios.max()) * 1.2)
    drawing.title(below, "Studios that have the month")
    drawing.legend_below(figure, columns=5)
    return drawing.to_png(figure)


def seasonal_factors(panel_frame: pd.DataFrame) -> bytes:
    """Revenue by calendar month relative to the twelve months around it, a line per type."""
    factors = seasonal_factor_table(panel_frame)
    if factors.empty:
        return drawing.note("Seasons show from 13 months of a studio on; no studio has as many.")
    figure, (ax,) = drawing.new_figure(3.4)
    ax.axhline(1.0, color=drawing.INK, linewidth=0.8)
    for (name, line), colour in zip(factors.items(), drawing.SERIES, strict=False):
        ax.plot(line.index, line, color=colour, marker="o", markersize=3.5, label=str(name))
    ax.set_xticks(range(1, 13), MONTH_NAMES)
    ax.yaxis.set_major_formatter(drawing.percent)
    drawing.title(ax, "Revenue of a calendar month, of the average of the twelve months around it")
    drawing.legend_below(figure, columns=5)
    return drawing.to_png(figure)


def seasonal_factor_table(panel_frame: pd.DataFrame) -> pd.DataFrame:
    """Rows 1..12 (calendar months), a column per type: revenue relative to its centred 12-month average.

    Each is the median over studios and years. Empty if no studio has 13 months.
    """
    months = panel_frame.pivot_table(
        index="month_year", columns="studio_id", values="total_revenue", aggfunc="sum"
    )
    if len(months) < 13:
        return pd.DataFrame()
    months = months.asfreq("MS")
    year = months.rolling(12).mean()
    around = (year.shift(-5) + year.shift(-6)) / 2
    ratio = (months / around.where(around > 0)).melt(ignore_index=False, value_name="ratio").reset_index()
    types = panel_frame.assign(studio_type=_types(panel_frame)).groupby("studio_id")["studio_type"].first()
    ratio = ratio.assign(type=ratio["studio_id"].map(types), month=ratio["month_year"].dt.month)
    return ratio.pivot_table(index="month", columns="type", values="ratio", aggfunc="median")


def months_per_studio(panel_frame: pd.DataFrame) -> bytes:
    """Histogram of the number of months per studio."""
    if panel_frame.empty:
        return drawing.note("No months to show.")
    counts = panel_frame.groupby("studio_id").size().to_numpy()
    figure, (ax,) = drawing.new_figure(2.6)
    step = max(1, int(np.ceil(counts.max() / 60)))
    bins = np.arange(0.5, counts.max() + step + 0.5, step).tolist()
    ax.hist(counts, bins=bins, color=drawing.ACCENT, rwidth=0.9)
    ax.set_xlabel("months of history", fontsize=9)
    ax.set_ylabel("studios", fontsize=9)
    ax.set_xlim(left=0)
    drawing.title(
        ax, f"Months per studio (median {np.median(counts):.0f}, least {counts.min()}, most {counts.max()})"
    )
    return drawing.to_png(figure)


def rejected_by_reason(rejected: pd.DataFrame, top: int = 12) -> bytes:
    """Number of rejected rows by reason."""
    if rejected.empty:
        return drawing.note("No row was rejected.")
    counts = rejected["reason"].value_counts().head(top)
    figure, (ax,) = drawing.new_figure(0.8 + 0.3 * len(counts))
    names = [str(reason) if len(str(reason)) <= 60 else f"{str(reason)[:59]}…" for reason in counts.index]
    drawing.horizontal_bars(ax, names, counts.tolist(), [drawing.WARM] * len(counts))
    for place, count in enumerate(counts):
        ax.text(count, place, f" {count:,}", va="center", fontsize=8.5, color=drawing.INK)
    ax.margins(x=0.08)
    drawing.title(ax, "Rejected rows by reason")
    return drawing.to_png(figure)


def correlation_with_growth(panel_frame: pd.DataFrame, features: pd.DataFrame, top: int = 20) -> bytes:
    """Rank correlation of each feature with the growth of revenue to the next month, the strongest ones."""
    correlations = growth_correlations(panel_frame, features).head(top)
    if correlations.empty:
        return drawing.note("Too few months to correlate features with growth.")
    figure, (ax,) = drawing.new_figure(0.9 + 0.25 * len(correlations))
    colours = [drawing.ACCENT if value > 0 else drawing.WARM for value in correlations]
    drawing.horizontal_bars(ax, [str(name) for name in correlations.index], correlations.tolist(), colours)
    ax.axvline(0, color=drawing.INK, linewidth=0.8)
    drawing.title(ax, "Rank correlation with next month's revenue growth")
    return drawing.to_png(figure)


def growth_correlations(panel_frame: pd.DataFrame, features: pd.DataFrame) -> pd.Series[float]:
    """Spearman correlation of each feature with log(next month's revenue / this month's), strongest first.

    Constant features, and those known in fewer than 30 rows, are left out. Large tables are sampled with a
    fixed seed.
    """
    if len(features) > MOST_CORRELATED_ROWS:
        features = features.sample(MOST_CORRELATED_ROWS, random_state=0)
    revenue = panel_frame.set_index(["studio_id", "month_year"])["total_revenue"].astype(float)
    keys = features[["studio_id", "month_year"]]
    later = keys.assign(month_year=keys["month_year"] + pd.DateOffset(months=1))
    now, following = (revenue.reindex(pd.MultiIndex.from_frame(k)).to_numpy() for k in (keys, later))
    known = (now > 0) & (following > 0)
    growth = pd.Series(following[known] / now[known]).rank()
    numbers = features[known].select_dtypes("number").replace([np.inf, -np.inf], np.nan)
    useful = numbers.loc[:, (numbers.notna().sum() >= 30) & (numbers.nunique() > 1)]
    answer = useful.reset_index(drop=True).rank().corrwith(growth).dropna()
    return answer.reindex(answer.abs().sort_values(ascending=False).index)


def _types(panel_frame: pd.DataFrame) -> pd.Series[str]:
    """Each row's studio type: "unknown" if it is missing; the rarest ones are combined as "others"."""
    types = panel_frame["studio_type"].fillna("unknown").replace("", "unknown").astype(str)
    common = types.value_counts().index[: MOST_TYPES - 1]
    return types.where(types.isin(common) | (types.nunique() <= MOST_TYPES), "others")
