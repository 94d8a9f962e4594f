"""Figures of the model, as PNG bytes: seasons, responses, weights, importances, the search, and levers.

Drawn from the tables of `response_tables` and `evaluation.levers`, of the ensemble and of the learners; style
and helpers are in `drawing`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from studio_pipeline.evaluation.levers.lever_text import INTERVENTION_LABELS, LEVER_LABELS
from studio_pipeline.evaluation.metrics.prediction_table import HORIZONS, LABELS, TARGETS
from studio_pipeline.evaluation.report import drawing
from studio_pipeline.evaluation.report.response_tables import RESPONDING_FLOWS
from studio_pipeline.forecasting.base.hyperparameters import LEARNERS
from studio_pipeline.forecasting.ensemble.candidates import CANDIDATES as MEMBERS
from studio_pipeline.panel.columns import LEVER_COLUMNS, RATE_COLUMNS

FLOW_TITLES: dict[str, str] = {
    "retention": "Retention, points about its average",
    "acquisition": "New members, of the average month",
    "ticket": "Ticket price, of the average month",
    "visits": "Visits per member, of the average",
    "revenue": "Revenue, of the average month",
}
EVIDENCE_COLOURS = {"months": drawing.ACCENT, "prior": drawing.MUTED}
MARKERS = tuple("os^DvPX*")
EFFECT_MARKERS = tuple("o^sDv")
MONTH_LETTERS = list("JFMAMJJASOND")
signed_percent = FuncFormatter(lambda value, _: f"{100 * value:+.3g} %" if abs(value) > 1e-9 else "0 %")
signed = FuncFormatter(lambda value, _: f"{value:+.3g}" if abs(value) > 1e-9 else "0")


def seasons_by_flow(factors: pd.DataFrame) -> bytes:
    """Seasonal factors (columns as `response_tables.SEASON_COLUMNS`), a panel per flow, a line per type."""
    style: dict[str, Any]
    flows = [flow for flow in FLOW_TITLES if (factors["flow"] == flow).any()]
    if not flows:
        return drawing.note("No flow shows a season yet.")
    types = sorted(factors["studio_type"].unique())[: len(drawing.SERIES)]
    n_rows = (len(flows) + 2) // 2
    figure, axes = drawing.new_figure(2.1 * n_rows, columns=2, heights=(1,) * n_rows)
    for ax, flow in zip(axes, flows, strict=False):
        rows = factors[factors["flow"] == flow]
        for name, colour, marker in zip(types, drawing.SERIES, MARKERS, strict=False):
            line = rows[rows["studio_type"] == name].set_index("calendar_month")["factor"]
            if len(line):
                style = {"color": colour, "marker": marker, "markersize": 3.5, "label": name or "no type"}
                ax.plot(line.index, line, **style)
        is_points = bool((rows["unit"] == "points").all())
        ax.axhline(0.0 if is_points else 1.0, color=drawing.INK, linewidth=0.8)
        ax.set_xticks(range(1, 13), MONTH_LETTERS)
        ax.yaxis.set_major_formatter(signed if is_points else drawing.percent)
        drawing.title(ax, FLOW_TITLES[flow])
    for ax in axes[len(flows) :]:
        ax.set_axis_off()
    style = {"frameon": False, "fontsize": 8.5, "labelcolor": drawing.INK}
    axes[len(flows)].legend(*axes[0].get_legend_handles_labels(), loc="center left", **style)
    return drawing.to_png(figure)


def responses_with_error_bars(table: pd.DataFrame) -> bytes:
    """Impacts with 90 % error bars (columns as `response_tables.RESPONSE_COLUMNS`), coloured by evidence."""
    flows = [flow for flow in RESPONDING_FLOWS if (table["flow"] == flow).any()]
    if not flows:
        return drawing.note("The months don't show who stays and who joins: there is no response to draw.")
    sizes = [float((table["flow"] == flow).sum()) + 0.8 for flow in flows]
    figure, axes = drawing.new_figure(0.7 + 0.42 * sum(sizes), heights=sizes)
    for ax, flow in zip(axes, flows, strict=True):
        rows = table[table["flow"] == flow].reset_index(drop=True)
        ax.axvline(0, color=drawing.INK, linewidth=0.9)
        mostly = np.where(rows["prior_share"] > 0.5, "prior", "months")
        for evidence, part in rows.groupby(mostly):
            _error_bars(ax, part, str(evidence))
        ax.set_yticks(range(len(rows)), list(rows["change"]))
        ax.set_ylim(len(rows) - 0.4, -0.6)
        ax.grid(False, axis="y")
        ax.xaxis.set_major_formatter(signed)
        unit = "percentage points" if flow == "retention" else "per cent"
        drawing.title(ax, f"Change of {RESPONDING_FLOWS[flow]}, {unit}")
    drawing.legend_below(figure, columns=3)
    return drawing.to_png(figure)


def _error_bars(ax: Axes, rows: pd.DataFrame, evidence: str) -> None:
    impact = rows["impact"].to_numpy(np.float64)
    reach = np.stack([impact - rows["impact_low"], rows["impact_high"] - impact])
    style: dict[str, Any] = {"fmt": "o", "markersize": 6, "capsize": 4, "linewidth": 1.8}
    style |= {"color": EVIDENCE_COLOURS[evidence], "label": f"mostly from {evidence}, with 90 % error bar"}
    ax.errorbar(impact, rows.index, xerr=reach, **style)


def weights_by_horizon(weights: pd.DataFrame) -> bytes:
    """Stacked bars of the ensemble's weights (target, horizon, candidate, weight), a panel per target."""
    targets = [target for target in TARGETS if (weights["target"] == target).any()]
    if not targets:
        return drawing.note("No weights to show.")
    figure, axes = drawing.new_figure(3.4, columns=len(targets))
    shown = [name for name in MEMBERS if (weights["candidate"] == name).any()]
    for ax, target in zip(axes, targets, strict=True):
        rows = weights[weights["target"] == target]
        table = rows.pivot_table(index="horizon", columns="candidate", values="weight", aggfunc="sum")
        table = table.reindex(columns=shown, fill_value=0.0)
        bottom = np.zeros(len(table))
        for name in shown:
            height = table[name].fillna(0).to_numpy(np.float64)
            colour = drawing.COLOURS[name]
            ax.bar(table.index, height, bottom=bottom, width=0.8, color=colour, label=LABELS[name])
            bottom += height
        ax.set_xticks(list(table.index)[:: 1 if len(targets) < 3 else 2])
        ax.set_xlabel("months ahead", fontsize=9)
        ax.yaxis.set_major_formatter(drawing.percent)
        drawing.title(ax, f"Weights for {target}")
    drawing.legend_below(figure, columns=4)
    return drawing.to_png(figure)


def feature_importances(importances: pd.DataFrame, target: str = "revenue", top: int = 15) -> bytes:
    """The features with the largest importance: the mean share as a bar, a dot per learner.

    `importances` has learner, target, feature, importance; shares add up to 1 within each learner.
    """
    shares = importance_shares(importances, target).head(top)
    if shares.empty:
        return drawing.note(f"No learner uses any feature for {target}.")
    figure, (ax,) = drawing.new_figure(0.9 + 0.26 * len(shares))
    places = np.arange(len(shares))
    ax.barh(places, shares["mean"], color=drawing.SOFT, height=0.68, label="mean of the learners")
    for learner in (name for name in LEARNERS if name in shares):
        style: dict[str, Any] = {"color": drawing.COLOURS[learner], "label": LABELS[learner]}
        ax.plot(shares[learner], places, "o", markersize=5, **style)
    ax.set_yticks(places, [drawing.plain(str(name)) for name in shares.index])
    ax.invert_yaxis()
    ax.grid(False, axis="y")
    ax.xaxis.set_major_formatter(drawing.percent)
    drawing.title(ax, f"What the learners use for {target}")
    drawing.legend(ax)
    return drawing.to_png(figure)


def importance_shares(importances: pd.DataFrame, target: str) -> pd.DataFrame:
    """Share of each feature within each learner (a column per learner, and `mean`), largest first."""
    rows = importances[importances["target"] == target]
    table = rows.pivot_table(index="feature", columns="learner", values="importance", aggfunc="sum")
    table = table.fillna(0.0)
    table = table.loc[:, table.sum() > 0]
    shares = table / table.sum()
    if shares.empty:
        return shares
    return shares.assign(mean=shares.mean(axis=1)).sort_values("mean", ascending=False)


def search_history(trials: pd.DataFrame) -> bytes:
    """A panel per learner: each trial's loss as a dot, the best so far as a line, the defaults dashed.

    `trials` has learner, trial, loss (NaN for pruned trials) and best_so_far; trial 0 are the defaults.
    """
    shown = [name for name in LEARNERS if (trials["learner"] == name).any()]
    if not shown:
        return drawing.note("Nothing was searched.")
    figure, axes = drawing.new_figure(2.8, columns=len(shown))
    for ax, learner in zip(axes, shown, strict=True):
        _trials(ax, trials[trials["learner"] == learner].sort_values("trial"), drawing.COLOURS[learner])
        drawing.title(ax, f"{LABELS[learner]}: error, core = 100 %")
    return drawing.to_png(figure)


def _trials(ax: Axes, rows: pd.DataFrame, colour: str) -> None:
    defaults, best = float(rows["loss"].iloc[0]), float(rows["best_so_far"].min())
    ax.axhline(defaults, color=drawing.MUTED, linewidth=1, linestyle="--")
    ax.plot(rows["trial"], rows["loss"], "o", markersize=3, alpha=0.5, color=colour)
    ax.step(rows["trial"], rows["best_so_far"], where="post", color=colour)
    # Outlying trials would compress the range of interest.
    ax.set_ylim(best - 0.3 * (defaults - best) - 0.002, defaults + 2 * (defaults - best) + 0.01)
    ax.yaxis.set_major_formatter(drawing.percent)
    ax.set_xlabel("trial (dashed: defaults)", fontsize=9)


def revenue_by_lever(sweep: pd.DataFrame) -> bytes:
    """A year's revenue of the typical studio against each lever (columns as `schemas.SWEEP`)."""
    levers = [lever for lever in LEVER_LABELS if (sweep["lever"] == lever).any()]
    if not levers:
        return drawing.note("No studio's data carry a lever: there is nothing to sweep.")
    n_rows = (len(levers) + 1) // 2
    figure, axes = drawing.new_figure(0.6 + 1.85 * n_rows, columns=2, heights=(1,) * n_rows)
    room = 0.04 * float(sweep["upper_90"].max() - sweep["lower_90"].min())
    for ax, lever in zip(axes, levers, strict=False):
        _sweep(ax, sweep[sweep["lever"] == lever])
        ax.set_ylim(sweep["lower_90"].min() - room, sweep["upper_90"].max() + room)
        is_rate = LEVER_COLUMNS[lever] in RATE_COLUMNS
        ax.xaxis.set_major_formatter(drawing.percent if is_rate else drawing.thousands)
        ax.xaxis.set_major_locator(MaxNLocator(6))
        drawing.title(ax, LEVER_LABELS[lever])
    for ax in axes[len(levers) :]:
        ax.set_axis_off()
    figure.supylabel("revenue of the next twelve months, currency", fontsize=9, color=drawing.MUTED)
    drawing.legend_below(figure, columns=3)
    return drawing.to_png(figure)


def _sweep(ax: Axes, rows: pd.DataFrame) -> None:
    shown = rows.iloc[0]
    ends = (shown["shown_low"], shown["shown_high"])
    ax.axvspan(*ends, color=drawing.GRID, alpha=0.8, linewidth=0, label="shown so far")
    band = (rows["value"], rows["lower_90"], rows["upper_90"])
    ax.fill_between(*band, color=drawing.SOFT, alpha=0.75, linewidth=0, label="90 % interval")
    free = shown["free_revenue"]
    ax.axhline(free, color=drawing.INK, linewidth=1, linestyle="--", label="every lever free")
    ax.plot(rows["value"], rows["revenue"], color=drawing.ACCENT, linewidth=2, label="lever held")
    now = rows[rows["is_present"]]
    ax.plot(now["value"], now["revenue"], "o", color=drawing.WARM, markersize=6, label="where it stands")
    ax.yaxis.set_major_formatter(drawing.thousands)


def predicted_against_true_effects(effects: pd.DataFrame) -> bytes:
    """A year's predicted effect against the true one, a dot per studio (columns as `schemas.EFFECTS`)."""
    if effects.empty:
        text = "The truth about levers is known for generated months alone: nothing to compare here."
        return drawing.note(text)
    names = ["predicted_effect", "true_effect", "free_revenue"]
    year = effects.groupby(["intervention", "studio_id"])[names].sum()
    shares = year[["true_effect", "predicted_effect"]].div(year["free_revenue"], axis=0)
    low, high = float(shares.min().min()), float(shares.max().max())
    ends = [low - 0.06 * (high - low), high + 0.06 * (high - low)]
    figure, (ax,) = drawing.new_figure(5.2)
    ax.plot(ends, ends, color=drawing.INK, linewidth=1)
    ax.axhline(0, color=drawing.MUTED, linewidth=0.7)
    ax.axvline(0, color=drawing.MUTED, linewidth=0.7)
    present = [name for name in INTERVENTION_LABELS if name in shares.index.get_level_values(0)]
    for name, colour, marker in zip(present, drawing.SERIES, EFFECT_MARKERS, strict=False):
        dots = shares.loc[name]
        style: dict[str, Any] = {"marker": marker, "markersize": 5.5, "alpha": 0.85, "markeredgewidth": 0}
        style |= {"color": colour, "linestyle": "", "label": INTERVENTION_LABELS[name]}
        ax.plot(dots["true_effect"], dots["predicted_effect"], **style)
    ax.set_xlim(*ends)
    ax.set_ylim(*ends)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(signed_percent)
    ax.set_xlabel("true effect on the year's revenue", fontsize=9)
    ax.set_ylabel("predicted effect on the year's revenue", fontsize=9)
    drawing.title(ax, "Effect of one lever on the revenue of the next twelve months")
    drawing.legend_below(figure, columns=3)
    return drawing.to_png(figure)


def errors_with_levers_free_and_known(errors: pd.DataFrame) -> bytes:
    """WAPE of revenue at horizons 1 to 12 (columns as `metrics.summary.COLUMNS`)."""
    rows = errors[~errors["horizon"].astype(str).str.contains("-")]
    if rows.empty:
        return drawing.note("The backtest has no forecasts that were given the levers.")
    lines = rows.assign(number=rows["horizon"].astype(int)).set_index("number").reindex(HORIZONS)
    figure, (ax,) = drawing.new_figure(3.2)
    for column, label, colour, marker in (
        ("levers_free", "levers free: a forecast", drawing.ACCENT, "o"),
        ("levers_known", "levers known: given what they then did", "#e08a1e", "s"),
    ):
        ax.plot(HORIZONS, lines[column], color=colour, marker=marker, markersize=4, label=label)
    ax.set_ylim(bottom=0)
    drawing.by_months_ahead(ax)
    drawing.title(ax, "Error of revenue (WAPE), levers free and levers known")
    drawing.legend_below(figure, columns=2)
    return drawing.to_png(figure)
