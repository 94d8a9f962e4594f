"""Preparing origins: everything of an answer that does not depend on levers, for many studios in one pass."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from studio_pipeline.forecasting.candidates import CANDIDATES, combine, shares_of, stacked, with_learners
from studio_pipeline.forecasting.core import origin_terms, project_flows
from studio_pipeline.forecasting.core_candidates import candidates_from
from studio_pipeline.forecasting.feature_formulas import Windows
from studio_pipeline.forecasting.features import origin_features
from studio_pipeline.forecasting.given_features import trailing_levels
from studio_pipeline.forecasting.hyperparameters import MAX_HORIZON_MONTHS
from studio_pipeline.forecasting.learning_rows import (
    ROW_FEATURES,
    RowArray,
    Typical,
    row_features,
)
from studio_pipeline.forecasting.lever_ensemble import kept_factors, learned_parts
from studio_pipeline.forecasting.model import StudioModel
from studio_pipeline.forecasting.onnx_sessions import LearnerGraphs
from studio_pipeline.forecasting.origins import Origins
from studio_pipeline.forecasting.prepared_origins import PreparedOrigins, joined
from studio_pipeline.forecasting.stock_and_flow import CorePaths, core_targets, simulate_terms
from studio_pipeline.forecasting.studio_states import StudioStates, some_studios_at_a_time
from studio_pipeline.forecasting.targets import TARGETS
from studio_pipeline.forecasting.typical_months import TypicalMonths
from studio_pipeline.forecasting.windows import cut_windows
from studio_pipeline.panel.arrays import BoolArray, FloatArray, IntArray, StudioPanel
from studio_pipeline.panel.columns import LEVER_COLUMNS


class Preparation:
    """Prepares origins of one panel under one model.

    Args:
        model: the model version.
        panel: the data version.

    Attributes:
        states: of the core, for whichever studios they are asked.
    """

    def __init__(self, model: StudioModel, panel: StudioPanel) -> None:
        self.model, self.panel = model, panel
        self.graphs = LearnerGraphs(model.graphs)
        self.states = StudioStates(model.core, panel)
        self._typical = TypicalMonths(self.states)

    def prepare(self, origins: Origins) -> PreparedOrigins:
        """All of the origins, some studios at a time; base months that the studios have."""
        typical = self._typical.of(origins.columns) if self.graphs.learners else {}
        parts, orders = [], []
        for rows in some_studios_at_a_time(origins.rows):
            orders.append(np.flatnonzero(np.isin(origins.rows, rows)))
            parts.append(self._of_studios(rows, origins.take(orders[-1]), typical))
        order = np.concatenate(orders)
        prepared = parts[0] if len(parts) == 1 else joined(parts)
        in_order = bool((order[1:] > order[:-1]).all())
        return prepared if in_order else prepared.take(np.argsort(order))

    def _of_studios(self, rows: IntArray, asked: Origins, typical: Mapping[int, Typical]) -> PreparedOrigins:
        """Origins of the studios in some rows, in one pass."""
        states = self.states.of(rows, int(asked.columns.max(initial=0)))
        panel, origins = states.panel, Origins(np.searchsorted(rows, asked.rows), asked.columns)
        windows = cut_windows(panel, origins.rows, origins.columns)
        flows = project_flows(states, origins.rows, origins.columns, MAX_HORIZON_MONTHS)
        terms = origin_terms(states, flows, origins.rows, origins.columns)
        paths = simulate_terms(terms, {})
        learner_rows = self._learner_rows(windows, paths, panel, origins, typical)
        candidates = candidates_from(states, origins, flows, paths)
        core = np.stack([core_targets(paths)[target] for target in TARGETS], 1)
        corrections = self.graphs.corrections(learner_rows)
        free, shares = self._ensemble(candidates, core, corrections)
        return PreparedOrigins(
            rows=asked.rows,
            columns=asked.columns,
            history_months=_history_months(panel, origins),
            shown=shown_values(panel, origins),
            scale=self.model.intervals.scale(windows.values),
            terms=terms,
            core=core,
            free=free,
            kept=kept_factors(core, free),
            learned=learned_parts(shares, corrections, core[:, 2]),
            learner_shares=shares,
            learner_rows=learner_rows,
            trailing_levels=trailing_levels(panel, origins),
        )

    def _ensemble(
        self, candidates: Mapping[str, Mapping[str, FloatArray]], core: FloatArray, corrections: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """(N, 3, H) free forecasts, and the (N, 3, L, H) shares of the learners in them."""
        free, shares = np.empty_like(core), np.zeros_like(corrections)
        for place, target in enumerate(TARGETS):
            own = {name: corrections[:, place, k] for k, name in enumerate(self.graphs.learners)}
            stack = stacked(with_learners(candidates[target], own, target))
            weights = self.model.weights[target]
            free[:, place] = combine(stack, weights)
            by_candidate = shares_of(stack, weights)
            for k, name in enumerate(self.graphs.learners):
                shares[:, place, k] = by_candidate[CANDIDATES.index(name)]
        return free, shares

    def _learner_rows(
        self,
        windows: Windows,
        paths: CorePaths,
        panel: StudioPanel,
        origins: Origins,
        typical: Mapping[int, Typical],
    ) -> RowArray:
        if not self.graphs.learners:
            return np.zeros((len(origins), MAX_HORIZON_MONTHS, 0), dtype=np.float32)
        x = row_features(origin_features(windows), paths, panel, origins, typical, {})
        return x.reshape(len(origins), MAX_HORIZON_MONTHS, len(ROW_FEATURES))


def _up_to(panel: StudioPanel, origins: Origins) -> BoolArray:
    """(N, T) whether a month lies up to the origin's base month."""
    return np.asarray(np.arange(panel.n_months) <= origins.columns[:, None])


def _history_months(panel: StudioPanel, origins: Origins) -> IntArray:
    return np.asarray((panel.known[origins.rows] & _up_to(panel, origins)).sum(1))


def shown_values(panel: StudioPanel, origins: Origins) -> FloatArray:
    """(N, 8, 2) smallest and largest value of each lever up to each origin; NaN where none was shown."""
    until = _up_to(panel, origins)
    shown = np.empty((len(origins), len(LEVER_COLUMNS), 2))
    for place, name in enumerate(LEVER_COLUMNS.values()):
        values = np.where(until, panel.values[name][origins.rows], np.nan)
        # Infinity is no value either.
        values[np.isinf(values)] = np.nan
        shown[:, place, 0] = np.fmin.reduce(values, axis=1)
        shown[:, place, 1] = np.fmax.reduce(values, axis=1)
    return shown
