"""Feature function: maps windows of months to feature rows, for training and serving alike.

A window contains the last `WINDOW_MONTHS` months of a studio up to and including the base month, so no later
month can enter. Every money feature is a ratio or a difference of logarithms and doesn't depend on the
currency. Missing values are filled with 0 and marked by the `has_*` features, so that every learner gets the
same row. The features are defined in `feature_table`; tables of them are in `feature_store`.
"""

from __future__ import annotations

import numpy as np

from studio_pipeline.forecasting.features.feature_table import FEATURES, FORMULAS
from studio_pipeline.forecasting.features.formulas import WINDOW_MONTHS, Windows
from studio_pipeline.panel.arrays import FloatArray, IntArray, StudioPanel

FEATURE_NAMES: tuple[str, ...] = tuple(f.name for f in FEATURES)


def origin_features(windows: Windows) -> FloatArray:
    """(N, F) features of N base months, in the order of `FEATURES`; unknown values are 0."""
    columns = [formula(windows) for formula in FORMULAS]
    return np.nan_to_num(np.stack(columns, 1), nan=0.0, posinf=0.0, neginf=0.0)


def cut_windows(panel: StudioPanel, rows: IntArray, columns: IntArray) -> Windows:
    """Cut the windows of N origins; months before the panel's first are NaN."""
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
    """(S, T, F) features of every studio and month."""
    features = np.zeros((panel.n_studios, panel.n_months, len(FEATURE_NAMES)))
    rows = np.arange(panel.n_studios)
    for column in range(panel.n_months):
        features[:, column] = features_at(panel, rows, np.full(panel.n_studios, column))
    return features
