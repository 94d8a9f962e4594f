"""Search spaces: a range for each hyperparameter, and the origin of each value in use.

Ranges, their restriction by the configuration, and the table of values by origin (default, tuned,
configured). Optuna's distributions are made from them in `studies`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pandas as pd

from studio_pipeline.forecasting.base.hyperparameters import (
    BoostingHyperparameters,
    ForecastingConfig,
    ForestHyperparameters,
    Hyperparameters,
)

Values = Mapping[str, float]
"""Hyperparameter to value."""


@dataclass(frozen=True)
class Range:
    """Range of one hyperparameter, both ends included; sampled on a logarithmic scale where `is_log`."""

    low: float
    high: float
    is_whole: bool = False
    is_log: bool = False


Space = Mapping[str, Range]

# Prediction time grows with the number of trees: the search may at most double it.
BOOSTING_SPACE: Space = {
    "n_trees": Range(20, 120, is_whole=True, is_log=True),
    "max_depth": Range(2, 6, is_whole=True),
    "learning_rate": Range(0.01, 0.3, is_log=True),
    "row_sample": Range(0.4, 1.0),
    "column_sample": Range(0.3, 1.0),
    "l2": Range(1.0, 2000.0, is_log=True),
    "min_rows_per_leaf": Range(20, 2000, is_whole=True, is_log=True),
}
FOREST_SPACE: Space = {
    "n_trees": Range(15, 60, is_whole=True, is_log=True),
    "max_depth": Range(3, 10, is_whole=True),
    "min_rows_to_split": Range(40, 4000, is_whole=True, is_log=True),
    "row_sample": Range(0.05, 0.5, is_log=True),
    "column_sample": Range(0.15, 1.0),
}
SPACES: dict[str, Space] = {
    "xgboost": BOOSTING_SPACE,
    "lightgbm": BOOSTING_SPACE,
    "random_forest": FOREST_SPACE,
}


def set_by_name(configuration: ForecastingConfig, learner: str) -> frozenset[str]:
    """Hyperparameters of a learner that the configuration sets explicitly, even if to their default."""
    given: Hyperparameters = getattr(configuration, learner)
    return frozenset(given.model_fields_set if learner in configuration.model_fields_set else ())


def space_of(learner: str, configuration: ForecastingConfig) -> Space:
    """A learner's search space: fields that are not set by name, ranges widened to contain their defaults."""
    values = getattr(configuration, learner).model_dump()
    fixed, space = set_by_name(configuration, learner), {}
    for name, found in SPACES[learner].items():
        if name not in fixed:
            low, high = min(found.low, values[name]), max(found.high, values[name])
            space[name] = replace(found, low=low, high=high, is_log=found.is_log and low > 0)
    return space


def values_in(space: Space, values: Values) -> dict[str, float]:
    """The values of a space's hyperparameters, each clipped to its range; others are left out."""
    return {
        name: min(max(values[name], found.low), found.high) for name, found in space.items() if name in values
    }


def with_values(configuration: ForecastingConfig, learner: str, values: Values) -> ForecastingConfig:
    """A configuration with some hyperparameters of one learner replaced, and their ranges validated."""
    before: BoostingHyperparameters | ForestHyperparameters = getattr(configuration, learner)
    after = type(before).model_validate(before.model_dump() | dict(values))
    return configuration.model_copy(update={learner: after})


ORIGIN_COLUMNS = {
    "hyperparameter": "Name.",
    "value": "In force.",
    "comes_from": "default, tuned, or configured (the file of STUDIO_CONFIG or the run config).",
    "untuned": "What it would be without tuning.",
}


def origin_table(used: ForecastingConfig, untuned: ForecastingConfig, learner: str) -> pd.DataFrame:
    """Table of every hyperparameter of a learner and the origin of its value: columns `ORIGIN_COLUMNS`."""
    is_set = set_by_name(untuned, learner)
    rows = []
    for name, value in getattr(used, learner).model_dump().items():
        before = getattr(getattr(untuned, learner), name)
        origin = "configured" if name in is_set else "default" if value == before else "tuned"
        rows.append((name, value, origin, before))
    return pd.DataFrame(rows, columns=list(ORIGIN_COLUMNS))


def origin_in_words(table: pd.DataFrame) -> str:
    """The tuned and the configured hyperparameters, in a sentence."""
    parts = []
    for origin in ("tuned", "configured"):
        names = table.loc[table["comes_from"] == origin, "hyperparameter"].tolist()
        if names:
            parts.append(f"{', '.join(names)}: {origin}")
    return "; ".join([*parts, "all others: default"]) if parts else "all as by default"
