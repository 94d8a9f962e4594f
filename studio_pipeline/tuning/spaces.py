"""Where the search looks: a range for each hyperparameter, in the terms of no optimiser."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from studio_pipeline.forecasting.hyperparameters import (
    BoostingHyperparameters,
    ForecastingConfiguration,
    ForestHyperparameters,
    Hyperparameters,
)

Values = Mapping[str, float]
"""Hyperparameter to value."""


@dataclass(frozen=True)
class Range:
    """The values that one hyperparameter may take, both ends included.

    Attributes:
        low: smallest.
        high: largest.
        is_whole: whole numbers alone.
        is_log: searched by order of magnitude.
    """

    low: float
    high: float
    is_whole: bool = False
    is_log: bool = False


Space = Mapping[str, Range]

# Trees cost time at every request: the search may double them and no more.
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


def set_by_name(configuration: ForecastingConfiguration, learner: str) -> frozenset[str]:
    """Hyperparameters of a learner that were given a value, be it the default's."""
    given: Hyperparameters = getattr(configuration, learner)
    return frozenset(given.model_fields_set if learner in configuration.model_fields_set else ())


def space_of(learner: str, configuration: ForecastingConfiguration) -> Space:
    """What of a learner is searched: fields that the configuration sets by name stay as they are set.

    A range is widened to hold the default.
    """
    defaults: Hyperparameters = getattr(configuration, learner)
    values = defaults.model_dump()
    fixed = set_by_name(configuration, learner)
    return {
        name: _widened(found, values[name]) for name, found in SPACES[learner].items() if name not in fixed
    }


def _widened(found: Range, value: float) -> Range:
    low, high = min(found.low, value), max(found.high, value)
    return replace(found, low=low, high=high, is_log=found.is_log and low > 0)


def values_in(space: Space, values: Values) -> dict[str, float]:
    """Those of a space alone, each moved to the nearest value that the space holds."""
    return {
        name: min(max(values[name], found.low), found.high) for name, found in space.items() if name in values
    }


def with_values(
    configuration: ForecastingConfiguration, learner: str, values: Values
) -> ForecastingConfiguration:
    """A configuration with some hyperparameters of one learner replaced, their ranges checked."""
    before: BoostingHyperparameters | ForestHyperparameters = getattr(configuration, learner)
    after = type(before).model_validate(before.model_dump() | dict(values))
    return configuration.model_copy(update={learner: after})
