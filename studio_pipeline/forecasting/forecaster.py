"""The forecaster: a model and a panel that answer forward queries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np

from studio_pipeline.errors import QueryError, UnknownStudioError
from studio_pipeline.forecasting.bounds import Range
from studio_pipeline.forecasting.core import core_states, origin_terms, project_flows
from studio_pipeline.forecasting.execution import execution_effects
from studio_pipeline.forecasting.flow_terms import FlowTerms
from studio_pipeline.forecasting.forecast_answers import AnswerParts, Answers
from studio_pipeline.forecasting.hyperparameters import MAX_HORIZON_MONTHS
from studio_pipeline.forecasting.model import StudioModel
from studio_pipeline.forecasting.new_studios import new_studio_panel
from studio_pipeline.forecasting.origin_store import OriginStore, Place, gathered
from studio_pipeline.forecasting.preparation import Preparation
from studio_pipeline.forecasting.prepared_origins import PreparedOrigins
from studio_pipeline.forecasting.projection import project_many, project_one
from studio_pipeline.forecasting.queries import Forecast, ForwardQuery
from studio_pipeline.forecasting.query_warnings import KnownOfStudio
from studio_pipeline.forecasting.requests import (
    check_query,
    lever_lists,
    lever_paths,
    locate,
    shown_ranges,
)
from studio_pipeline.forecasting.stock_and_flow import simulate_terms
from studio_pipeline.forecasting.targets import TARGETS, core_targets
from studio_pipeline.panel.arrays import FloatArray, StudioPanel
from studio_pipeline.panel.columns import LEVER_COLUMNS

_RETENTION = TARGETS.index("retention")


class Forecaster:
    """Answers forward queries from one model version on one data version.

    Every studio's latest month is prepared when the forecaster is made, so that an answer only adds levers.

    Attributes:
        model: the model version.
        panel: the data version.
    """

    def __init__(self, model: StudioModel, panel: StudioPanel) -> None:
        self.model, self.panel = model, panel
        preparation = Preparation(model, panel)
        self._graphs = preparation.graphs
        self._store = OriginStore(preparation)
        self._effects = model.core.responses.effects
        self._answers = Answers(model)

    def forecast(self, queries: Sequence[ForwardQuery]) -> list[Forecast | QueryError]:
        """Answers each query, in order; a query that can't be answered gets its error instead."""
        answers: dict[int, Forecast | QueryError] = {}
        keys: dict[int, tuple[int, int]] = {}
        for order, query in enumerate(queries):
            try:
                if query.studio_id in self.panel.rows:
                    keys[order] = locate(query, self.panel)
                else:
                    answers[order] = self._new_studio(query)
            except QueryError as refused:
                answers[order] = refused
        places = dict(zip(keys, self._store.find(list(keys.values())), strict=True))
        for order, place in list(places.items()):
            try:
                check_query(queries[order], shown_at(place))
            except QueryError as refused:
                answers[order] = refused
                del places[order]
        asked = [(queries[order], place) for order, place in places.items()]
        for order, (query, place), given in zip(places, asked, self._projected(asked), strict=True):
            answers[order] = self._known_studio(query, place, given)
        return [answers[order] for order in range(len(queries))]

    def _known_studio(self, query: ForwardQuery, place: Place, given: FloatArray) -> Forecast:
        """The answer from the (3, 12) projection of a prepared origin."""
        block, row = place
        free = block.free[row]
        usual = _usual(block.terms, row, float(free[_RETENTION, 0]))
        history_months = int(block.history_months[row])
        parts = AnswerParts(
            given=given,
            free=free,
            scale=block.scale[row],
            chance=block.chance[row],
            base_month=self.panel.months[block.columns[row]],
            known=KnownOfStudio(history_months, shown_at(place), self._effects, usual),
            execution=_execution(query, block.terms, row),
        )
        return self._answers.answer(query, parts)

    def _projected(self, asked: Sequence[tuple[ForwardQuery, Place]]) -> Sequence[FloatArray]:
        """(3, 12) revenue, members and retention of each query: one by plain numbers, many by arrays."""
        if len(asked) > 1:
            levers = lever_paths([query for query, _ in asked])
            prepared = gathered([place for _, place in asked])
            return list(project_many(prepared, self._graphs, levers) if levers else prepared.free)
        return [self._projected_alone(query, *place) for query, place in asked]

    def _projected_alone(self, query: ForwardQuery, block: PreparedOrigins, place: int) -> FloatArray:
        levers = lever_lists(query)
        if not levers:
            return np.asarray(block.free[place])
        return project_one(block, place, self._graphs, levers)

    @cached_property
    def _shown_by_all(self) -> dict[str, Range]:
        """Of each lever, what the studios have shown in all months."""
        shown = np.full((len(LEVER_COLUMNS), 2), np.nan)
        for place, name in enumerate(LEVER_COLUMNS.values()):
            values = self.panel.values[name]
            if (known := values[np.isfinite(values)]).size:
                shown[place] = known.min(), known.max()
        return shown_ranges(shown)

    def _new_studio(self, query: ForwardQuery) -> Forecast:
        """A studio without history: its type's levels, every lever as given.

        Raises:
            UnknownStudioError: not all eight levers are given.
        """
        panel = new_studio_panel(query, self.panel, self._shown_by_all)
        states = core_states(panel, self.model.core, assume_typical=True)
        origin = np.array([0]), np.array([0])
        terms = origin_terms(states, project_flows(states, *origin, MAX_HORIZON_MONTHS), *origin)
        paths = simulate_terms(terms, lever_paths([query]))
        if not np.isfinite(paths.revenue).all():
            raise UnknownStudioError(
                f"There are no months of studio {query.studio_id!r}, "
                "and the panel's data can't stand in for them.",
                "Ask for one of GET /api/v1/studios, or import months that have members and prices.",
            )
        by_target = core_targets(paths)
        given = np.stack([by_target[target][0] for target in TARGETS])
        scale = self.model.intervals.new_studio_scale()
        usual = _usual(terms, 0, float(given[_RETENTION, 0]))
        parts = AnswerParts(
            given=given,
            free=given,
            scale=scale[0],
            chance=self.model.intervals.chance_within(scale)[0],
            base_month=panel.months[0],
            known=KnownOfStudio(0, self._shown_by_all, self._effects, usual),
            execution=_execution(query, terms, 0),
        )
        return self._answers.answer(query, parts)


def shown_at(place: Place) -> dict[str, Range]:
    """Of each lever, the smallest and largest value shown up to a prepared origin."""
    block, row = place
    return shown_ranges(block.shown[row])


def _execution(query: ForwardQuery, terms: FlowTerms, place: int) -> FloatArray | None:
    """(J, 12) effects of carrying levers out inexactly; None where they are carried out exactly."""
    if not query.execution_uncertainty:
        return None
    one = terms.take(slice(place, place + 1))
    effects = execution_effects(one, lever_paths([query]), np.array([query.execution_uncertainty]))
    return np.asarray(effects[:, 0])


def _usual(terms: FlowTerms, place: int, retention: float) -> Callable[[str], float]:
    """Levels of one studio in the first projected month with every lever free, by the names of
    `FlowTerms.level`.
    """
    return lambda name: retention if name == "retention_rate" else terms.level(place, name)
