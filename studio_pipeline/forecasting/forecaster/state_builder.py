"""State builder of origins under one model, and the cache of origin states.

A state holds everything of an answer that doesn't depend on levers (`origin_state`): core projection,
candidates, ensemble, learner rows and scales. States of all studios' latest months are built once; states of
older base months are built on request and kept in an LRU cache.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from threading import Lock

import numpy as np

from studio_pipeline.forecasting.backtest.baselines import candidates_from
from studio_pipeline.forecasting.base.flows import TARGETS
from studio_pipeline.forecasting.base.hyperparameters import MAX_HORIZON_MONTHS
from studio_pipeline.forecasting.base.origins import Origins
from studio_pipeline.forecasting.core.simulation import CorePaths, core_targets, simulate_terms
from studio_pipeline.forecasting.core.states import (
    CoreStates,
    StudioStates,
    origin_terms,
    project_core,
    project_flows,
    some_studios_at_a_time,
)
from studio_pipeline.forecasting.ensemble.candidates import (
    CANDIDATES,
    combine,
    shares_of,
    stacked,
    with_learners,
)
from studio_pipeline.forecasting.ensemble.lever_correction import kept_factors, learned_parts
from studio_pipeline.forecasting.features.feature_function import cut_windows, features_at, origin_features
from studio_pipeline.forecasting.features.feature_matrix import (
    ROW_FEATURES,
    RowArray,
    Typical,
    month_features,
    row_features,
    typical_of_rows,
)
from studio_pipeline.forecasting.features.formulas import Windows
from studio_pipeline.forecasting.features.lever_features import trailing_levels
from studio_pipeline.forecasting.forecaster.origin_state import OriginStates, joined
from studio_pipeline.forecasting.learners.onnx_ensemble import OnnxSessions
from studio_pipeline.forecasting.model.studio_model import StudioModel
from studio_pipeline.panel.arrays import BoolArray, FloatArray, IntArray, StudioPanel
from studio_pipeline.panel.columns import LEVER_COLUMNS

_MONTHS_AT_ONCE = 8


class TypicalMonths:
    """Typical feature values of base months, cached by month; a new month takes a pass over all studios."""

    def __init__(self, states: StudioStates) -> None:
        self._states = states
        self._found: dict[int, Typical] = {}

    def of(self, columns: IntArray) -> dict[int, Typical]:
        """Month column to its typical feature values."""
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
    """(M, F0) origin features and (M, H, F1) month features of the studios that have a month."""
    rows = np.flatnonzero(states.panel.known[:, column])
    origins = Origins(rows, np.full(len(rows), column))
    paths = project_core(states, origins)
    features = features_at(states.panel, origins.rows, origins.columns)
    return features, month_features(paths, states.panel, origins)


class StateBuilder:
    """Builds states of origins of one panel under one model.

    Attributes:
        graphs: ONNX sessions of the learners.
        states: of the core, computed for the studios that are asked for.
    """

    def __init__(self, model: StudioModel, panel: StudioPanel) -> None:
        self.model, self.panel = model, panel
        self.graphs = OnnxSessions(model.graphs)
        self.states = StudioStates(model.core, panel)
        self._typical = TypicalMonths(self.states)

    def prepare(self, origins: Origins) -> OriginStates:
        """Builds the states of N origins in their order, some studios at a time to bound memory."""
        typical = self._typical.of(origins.columns) if self.graphs.learners else {}
        parts, orders = [], []
        for rows in some_studios_at_a_time(origins.rows):
            orders.append(np.flatnonzero(np.isin(origins.rows, rows)))
            parts.append(self._of_studios(rows, origins.take(orders[-1]), typical))
        order = np.concatenate(orders)
        prepared = parts[0] if len(parts) == 1 else joined(parts)
        in_order = bool((order[1:] > order[:-1]).all())
        return prepared if in_order else prepared.take(np.argsort(order))

    def _of_studios(self, rows: IntArray, asked: Origins, typical: Mapping[int, Typical]) -> OriginStates:
        states = self.states.of(rows, int(asked.columns.max(initial=0)))
        panel, origins = states.panel, Origins(np.searchsorted(rows, asked.rows), asked.columns)
        windows = cut_windows(panel, origins.rows, origins.columns)
        flows = project_flows(states, origins)
        terms = origin_terms(states, flows, origins)
        paths = simulate_terms(terms, {})
        learner_rows = self._learner_rows(windows, paths, panel, origins, typical)
        candidates = candidates_from(states, origins, flows, paths)
        core = np.stack([core_targets(paths)[target] for target in TARGETS], 1)
        corrections = self.graphs.corrections(learner_rows)
        free, shares = self._ensemble(candidates, core, corrections)
        return OriginStates(
            rows=asked.rows,
            columns=asked.columns,
            history_months=(panel.known[origins.rows] & _up_to(panel, origins)).sum(1),
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
        """(N, 3, H) ensemble forecasts with every lever free, and (N, 3, L, H) shares of the learners."""
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
    return np.asarray(np.arange(panel.n_months) <= origins.columns[:, None])


def shown_values(panel: StudioPanel, origins: Origins) -> FloatArray:
    """(N, 8, 2) smallest and largest value of each lever up to each origin; NaN without any value."""
    until = _up_to(panel, origins)
    shown = np.empty((len(origins), len(LEVER_COLUMNS), 2))
    for place, name in enumerate(LEVER_COLUMNS.values()):
        values = np.where(until, panel.values[name][origins.rows], np.nan)
        # Infinite values count as missing.
        values[np.isinf(values)] = np.nan
        shown[:, place, 0] = np.fmin.reduce(values, axis=1)
        shown[:, place, 1] = np.fmax.reduce(values, axis=1)
    return shown


_MOST_KEPT = 500

Place = tuple[OriginStates, int]
"""One prepared origin: its block and its index there."""


class StateCache:
    """Cache of origin states: all latest months, and the base months that were used last (LRU)."""

    def __init__(self, preparation: StateBuilder) -> None:
        self._preparation = preparation
        last = preparation.panel.last_months
        rows = np.flatnonzero(last >= 0)
        self._last = last.tolist()
        self._latest = preparation.prepare(Origins(rows, last[rows]))
        self._places = dict(zip(rows.tolist(), range(len(rows)), strict=True))
        self._others: OrderedDict[tuple[int, int], OriginStates] = OrderedDict()
        self._lock = Lock()

    def find(self, wanted: Sequence[tuple[int, int]]) -> list[Place]:
        """The place of each (row, column); missing states are built in one pass."""
        found = {key: place for key in wanted if (place := self._kept(key))}
        missing = [key for key in dict.fromkeys(wanted) if key not in found]
        if missing:
            rows, columns = np.array(missing, dtype=np.int64).T
            prepared = self._preparation.prepare(Origins(rows, columns))
            for order, key in enumerate(missing):
                found[key] = (prepared, order)
                self._keep(key, prepared.take(np.array([order])))
        return [found[key] for key in wanted]

    def holds(self, row: int, column: int) -> bool:
        """Return True if the state of that origin is in the cache."""
        return self._kept((row, column)) is not None

    def _kept(self, key: tuple[int, int]) -> Place | None:
        row, column = key
        if column == self._last[row]:
            return self._latest, self._places[row]
        with self._lock:
            prepared = self._others.get(key)
            if prepared is None:
                return None
            self._others.move_to_end(key)
            return prepared, 0

    def _keep(self, key: tuple[int, int], prepared: OriginStates) -> None:
        with self._lock:
            self._others[key] = prepared
            while len(self._others) > _MOST_KEPT:
                self._others.popitem(last=False)


def gathered(places: Sequence[Place]) -> OriginStates:
    """The origins at N places in one block, in their order."""
    blocks: dict[int, tuple[OriginStates, list[int], list[int]]] = {}
    for order, (block, place) in enumerate(places):
        _, orders, inside = blocks.setdefault(id(block), (block, [], []))
        orders.append(order)
        inside.append(place)
    parts = [block.take(np.array(inside, dtype=np.int64)) for block, _, inside in blocks.values()]
    back: IntArray = np.argsort(np.concatenate([orders for _, orders, _ in blocks.values()]))
    return parts[0] if len(parts) == 1 else joined(parts).take(back)
