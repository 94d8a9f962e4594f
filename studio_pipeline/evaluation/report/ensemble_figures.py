"""Figures of the ensemble and of the hyperparameter search, as PNG bytes.

Weights, feature importances and trials; style and helpers are in `drawing`. Figures of its errors are in
`backtest_figures`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from studio_pipeline.evaluation.metrics.prediction_table import LABELS, LEARNERS, TARGETS
from studio_pipeline.evaluation.report.drawing import (
    COLOURS,
    MUTED,
    SOFT,
    legend,
    legend_below,
    new_figure,
    note,
    percent,
    plain,
    title,
    to_png,
)
from studio_pipeline.forecasting.ensemble.candidates import CANDIDATES as MEMBERS


def weights_by_horizon(weights: pd.DataFrame) -> bytes:
    """Stacked bars of the ensemble's weights (target, horizon, candidate, weight), a panel per target."""
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
    """The features with the largest importance: the mean share as a bar, a dot per learner.

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
    title(ax, f"What the learners use for {target}")
    legend(ax)
    return to_png(figure)


def importance_shares(importances: pd.DataFrame, target: str) -> pd.DataFrame:
    """Share of each feature within each learner (a column per learner, and `mean`), largest first."""
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


def search_history(trials: pd.DataFrame) -> bytes:
    """A panel per learner: each trial's loss as a dot, the best so far as a line, the defaults dashed.

    `trials` has learner, trial, loss (NaN for pruned trials) and best_so_far; trial 0 are the defaults.
    """
    shown = [name for name in LEARNERS if (trials["learner"] == name).any()]
    if not shown:
        return note("Nothing was searched.")
    figure, axes = new_figure(2.8, columns=len(shown))
    for ax, learner in zip(axes, shown, strict=True):
        rows = trials[trials["learner"] == learner].sort_values("trial")
        defaults = float(rows["loss"].iloc[0])
        ax.axhline(defaults, color=MUTED, linewidth=1, linestyle="--")
        ax.plot(rows["trial"], rows["loss"], "o", markersize=3, alpha=0.5, color=COLOURS[learner])
        ax.step(rows["trial"], rows["best_so_far"], where="post", color=COLOURS[learner])
        # Outlying trials would compress the range of interest.
        best = float(rows["best_so_far"].min())
        ax.set_ylim(best - 0.3 * (defaults - best) - 0.002, defaults + 2 * (defaults - best) + 0.01)
        ax.yaxis.set_major_formatter(percent)
        ax.set_xlabel("trial (dashed: defaults)", fontsize=9)
        title(ax, f"{LABELS[learner]}: error, core = 100 %")
    return to_png(figure)
