"""The three targets, and the scale on which a learner corrects the core for each."""

from __future__ import annotations

import numpy as np

from studio_pipeline.forecasting.flows import logit, sigmoid
from studio_pipeline.panel.arrays import FloatArray, IntArray, StudioPanel

TARGETS: tuple[str, ...] = ("revenue", "members", "retention")
TARGET_COLUMNS: dict[str, str] = {
    "revenue": "total_revenue",
    "members": "total_members",
    "retention": "retention_rate",
}

_LARGEST_CORRECTION = 1.0


def actual_months(
    panel: StudioPanel, target: str, rows: IntArray, columns: IntArray, horizon_months: int
) -> FloatArray:
    """(N, H) what happened after N origins; NaN where it is not known (yet)."""
    values = panel.values[TARGET_COLUMNS[target]]
    steps = columns[:, None] + np.arange(1, horizon_months + 1)
    inside = steps < panel.n_months
    return np.where(inside, values[rows[:, None], np.minimum(steps, panel.n_months - 1)], np.nan)


def correction_of(actual: FloatArray, core: FloatArray, target: str) -> FloatArray:
    """What would have made the core right: a log ratio, for retention a difference of log odds;
    within +-1.
    """
    if target == "retention":
        missed = logit(actual) - logit(core)
    else:
        with np.errstate(divide="ignore", invalid="ignore"):
            missed = np.where(core > 0, np.log(np.maximum(actual, 0.01 * core) / core), np.nan)
    return np.clip(missed, -_LARGEST_CORRECTION, _LARGEST_CORRECTION)


def corrected(core: FloatArray, correction: FloatArray, target: str) -> FloatArray:
    """The core with a correction applied."""
    return (
        sigmoid(logit(core) + correction) if target == "retention" else np.asarray(core * np.exp(correction))
    )
