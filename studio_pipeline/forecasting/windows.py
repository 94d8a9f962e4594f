"""Cutting windows of months out of a panel: for one origin each, or for every month."""

from __future__ import annotations

import numpy as np

from studio_pipeline.forecasting.feature_formulas import WINDOW_MONTHS, Windows
from studio_pipeline.forecasting.features import FEATURE_NAMES, origin_features
from studio_pipeline.panel.arrays import FloatArray, IntArray, StudioPanel


def cut_windows(panel: StudioPanel, rows: IntArray, columns: IntArray) -> Windows:
    """Windows of N origins; months before the panel's first are unknown."""
    steps = columns[:, None] + np.arange(1 - WINDOW_MONTHS, 1)
    inside = steps >= 0
    taken = np.maximum(steps, 0)
    values = {
        name: np.where(inside, array[rows[:, None], taken], np.nan) for name, array in panel.values.items()
    }
    return Windows(values, panel.calendar_months[columns])


def features_at(panel: StudioPanel, rows: IntArray, columns: IntArray) -> FloatArray:
    """(N, F) features of N origins."""
    return origin_features(cut_windows(panel, rows, columns))


def all_features(panel: StudioPanel) -> FloatArray:
    """(S, T, F) features of every month, studio by studio at once, month after month."""
    features = np.zeros((panel.n_studios, panel.n_months, len(FEATURE_NAMES)))
    rows = np.arange(panel.n_studios)
    for column in range(panel.n_months):
        features[:, column] = features_at(panel, rows, np.full(panel.n_studios, column))
    return features
