"""What is typical of all studios in a base month, found for the months that are asked for and kept."""

from __future__ import annotations

import numpy as np

from studio_pipeline.forecasting.core import CoreStates, project_core
from studio_pipeline.forecasting.hyperparameters import MAX_HORIZON_MONTHS
from studio_pipeline.forecasting.learning_rows import Typical, month_features, typical_of_rows
from studio_pipeline.forecasting.origins import Origins
from studio_pipeline.forecasting.studio_states import StudioStates, some_studios_at_a_time
from studio_pipeline.forecasting.windows import features_at
from studio_pipeline.panel.arrays import FloatArray, IntArray

_MONTHS_AT_ONCE = 8


class TypicalMonths:
    """Finds what is typical of base months; the first question about one takes a pass over all studios.

    Args:
        states: of the panel.
    """

    def __init__(self, states: StudioStates) -> None:
        self._states = states
        self._found: dict[int, Typical] = {}

    def of(self, columns: IntArray) -> dict[int, Typical]:
        """Month column to what is typical of it."""
        asked = np.unique(columns).tolist()
        missing = [column for column in asked if column not in self._found]
        for first in range(0, len(missing), _MONTHS_AT_ONCE):
            self._find(missing[first : first + _MONTHS_AT_ONCE])
        return {column: self._found[column] for column in asked}

    def _find(self, columns: list[int]) -> None:
        rows: dict[int, list[tuple[FloatArray, FloatArray]]] = {column: [] for column in columns}
        for some in some_studios_at_a_time(np.arange(self._states.panel.n_studios)):
            states = self._states.of(some, max(columns))
            for column in columns:
                rows[column].append(_rows_of(states, column))
        for column, parts in rows.items():
            of_origin, of_months = (np.concatenate(part) for part in zip(*parts, strict=True))
            self._found[column] = typical_of_rows(of_origin, of_months)


def _rows_of(states: CoreStates, column: int) -> tuple[FloatArray, FloatArray]:
    """(M, F0) and (M, H, F1) features of the studios that have a month."""
    rows = np.flatnonzero(states.panel.known[:, column])
    origins = Origins(rows, np.full(len(rows), column))
    paths = project_core(states, origins.rows, origins.columns, MAX_HORIZON_MONTHS)
    features = features_at(states.panel, origins.rows, origins.columns)
    return features, month_features(paths, states.panel, origins)
