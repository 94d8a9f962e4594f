"""Pictures of a search for hyperparameters. Each returns PNG bytes."""

from __future__ import annotations

import pandas as pd

from studio_pipeline.evaluation.candidates import LABELS, LEARNERS
from studio_pipeline.evaluation.drawing import COLOURS, MUTED, new_figure, note, percent, title, to_png


def search_history(trials: pd.DataFrame) -> bytes:
    """A panel a learner: each complete trial's loss as a dot, the best so far as a line, the defaults dashed.

    `trials` has learner, trial, loss (NaN where a trial was given up) and best_so_far; trial 0 are the
    defaults.
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
        # Trials far off the defaults would hide all that is of interest.
        best = float(rows["best_so_far"].min())
        ax.set_ylim(best - 0.3 * (defaults - best) - 0.002, defaults + 2 * (defaults - best) + 0.01)
        ax.yaxis.set_major_formatter(percent)
        ax.set_xlabel("trial (dashed: defaults)", fontsize=9)
        title(ax, f"{LABELS[learner]}: error, core = 100 %")
    return to_png(figure)
