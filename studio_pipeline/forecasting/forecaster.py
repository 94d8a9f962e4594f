"""The forecaster: a model and a panel that answer forward queries."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from studio_pipeline.errors import QueryError, UnknownStudioError
from studio_pipeline.forecasting.bounds import Range
from studio_pipeline.forecasting.core import core_states, project_core
from studio_pipeline.forecasting.forecast_answers import AnswerParts, Answers
from studio_pipeline.forecasting.hyperparameters import MAX_HORIZON_MONTHS
from studio_pipeline.forecasting.model import StudioModel
from studio_pipeline.forecasting.origin_store import OriginStore, Place, gathered
from studio_pipeline.forecasting.prepared_origins import Preparation, PreparedOrigins
from studio_pipeline.forecasting.projection import project_many, project_one
from studio_pipeline.forecasting.queries import Forecast, ForwardQuery
from studio_pipeline.forecasting.requests import (
    check_query,
    lever_lists,
    lever_paths,
    locate,
    new_studio_panel,
    shown_ranges,
)
from studio_pipeline.forecasting.targets import TARGETS, core_targets
from studio_pipeline.panel.arrays import FloatArray, StudioPanel
from studio_pipeline.panel.columns import LEVER_COLUMNS

_NEW_STUDIO_WIDENING = 2.0


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
        self._answers = Answers(model)

    def forecast(self, queries: Sequence[ForwardQuery]) -> list[Forecast | QueryError]:
        """Answers each query, in order; a query that can't be answered gets its error instead."""
        answers: list[Forecast | QueryError | None] = [None] * len(queries)
        located: list[tuple[int, tuple[int, int]]] = []
        for order, query in enumerate(queries):
            try:
                if query.studio_id in self.panel.rows:
                    located.append((order, locate(query, self.panel)))
                else:
                    answers[order] = self._new_studio(query)
            except QueryError as refused:
                answers[order] = refused
        places = self._store.find([key for _, key in located])
        asked: list[tuple[int, ForwardQuery, Place, dict[str, Range]]] = []
        for (order, _), (block, place) in zip(located, places, strict=True):
            shown = shown_ranges(block.shown[place])
            try:
                check_query(queries[order], shown)
                asked.append((order, queries[order], (block, place), shown))
            except QueryError as refused:
                answers[order] = refused
        projected = self._projected([(query, place) for _, query, place, _ in asked])
        for (order, query, (block, place), shown), given in zip(asked, projected, strict=True):
            answers[order] = self._answers.answer(
                query,
                AnswerParts(
                    given=given,
                    free=block.free[place],
                    scale=float(block.scale[place]),
                    base_month=self.panel.months[block.columns[place]],
                    history_months=int(block.history_months[place]),
                    shown=shown,
                ),
            )
        return [answer for answer in answers if answer is not None]

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
        paths = project_core(states, np.array([0]), np.array([0]), MAX_HORIZON_MONTHS, lever_paths([query]))
        if not np.isfinite(paths.revenue).all():
            raise UnknownStudioError(
                f"There are no months of studio {query.studio_id!r}, "
                "and the panel's data can't stand in for them.",
                "Ask for one of GET /api/v1/studios, or import months that have members and prices.",
            )
        by_target = core_targets(paths)
        given = np.stack([by_target[target][0] for target in TARGETS])
        scale = self.model.intervals.panel_scale * _NEW_STUDIO_WIDENING
        return self._answers.answer(
            query, AnswerParts(given, given, scale, panel.months[0], 0, self._shown_by_all)
        )
