"""The one feature function: from a window of months to one row of features, for training and serving alike.

A window holds the last `WINDOW_MONTHS` months of each studio up to and including the base month, so nothing
later can enter. Every money feature is a ratio or a difference of logarithms: in another currency it is the
same number. Missing values are filled with 0 and marked by the `has_*` features, so that every learner sees
the same row.
"""

from __future__ import annotations

import numpy as np

from studio_pipeline.forecasting.feature_formulas import Entry, FeatureDescription, Windows
from studio_pipeline.forecasting.past_features import interaction_features, lag_features, rolling_features
from studio_pipeline.forecasting.present_features import (
    calendar_features,
    derived_features,
    lever_features,
    presence_features,
)
from studio_pipeline.panel.arrays import FloatArray


def feature_table() -> tuple[Entry, ...]:
    """Every feature with its description and formula, in the order of the columns."""
    return (
        *lever_features(),
        *derived_features(),
        *lag_features(),
        *rolling_features(),
        *interaction_features(),
        *calendar_features(),
        *presence_features(),
    )


_TABLE = feature_table()
FEATURES: tuple[FeatureDescription, ...] = tuple(description for description, _ in _TABLE)
FEATURE_NAMES: tuple[str, ...] = tuple(f.name for f in FEATURES)


def origin_features(windows: Windows) -> FloatArray:
    """(N, F) features of N base months, in the order of `FEATURES`; unknown values are 0."""
    columns = [formula(windows) for _, formula in _TABLE]
    return np.nan_to_num(np.stack(columns, 1), nan=0.0, posinf=0.0, neginf=0.0)
