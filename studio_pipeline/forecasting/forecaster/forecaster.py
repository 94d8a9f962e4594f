"""Forecaster: forward answers from one model version and one panel.

It checks queries (`requests`), gets origin states from the cache (`state_builder`), projects them under
levers (`projection`) and builds the answers (`answers`). It also provides the planner and the scenarios with
origins and uncertain forecasts.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np

from studio_pipeline.errors import ClosedStudioError, QueryError, UnknownStudioError
from studio_pipeline.forecasting.base.bounds import Range
from studio_pipeline.forecasting.base.flows import TARGETS
from studio_pipeline.forecasting.base.given_levers import FirstMonths, first_months
from studio_pipeline.forecasting.base.origins import Origins
from studio_pipeline.forecasting.base.queries import Forecast, ForwardQuery, PlainMonths
from studio_pipeline.forecasting.core.core_view import CoreView, core_view
from studio_pipeline.forecasting.core.flow_terms import FlowTerms
from studio_pipeline.forecasting.core.simulation import core_targets, simulate_terms
from studio_pipeline.forecasting.core.states import core_states, origin_terms, project_flows
from studio_pipeline.forecasting.forecaster.answers import Answers
from studio_pipeline.forecasting.forecaster.forecast_uncertainty import (
    ForecastSum,
    UncertainForecast,
    sum_forecasts,
)
from studio_pipeline.forecasting.forecaster.origin_state import OriginState, OriginStates, plain_origin
from studio_pipeline.forecasting.forecaster.prediction_intervals import AnswerParts
from studio_pipeline.forecasting.forecaster.projection import (
    StudioOrigin,
    known_revenue,
    new_revenue,
    project_many,
    project_one,
)
from studio_pipeline.forecasting.forecaster.requests import (
    carried_levers,
    check_query,
    execution_of,
    lever_lists,
    lever_paths,
    locate,
    new_studio_panel,
    shown_ranges,
    stacked_paths,
)
from studio_pipeline.forecasting.forecaster.state_builder import Place, StateBuilder, StateCache, gathered
from studio_pipeline.forecasting.forecaster.warnings import KnownOfStudio, Usual
from studio_pipeline.forecasting.intervals.interval_tables import IntervalTables
from studio_pipeline.forecasting.model.studio_model import StudioModel
from studio_pipeline.forecasting.responses.responses import without_effect
from studio_pipeline.panel.arrays import FloatArray, StudioPanel
from studio_pipeline.panel.closures import closed_months, closed_since
from studio_pipeline.panel.columns import LEVER_COLUMNS

_RETENTION = TARGETS.index("retention")
_FOLLOWED = frozenset({"retention_rate", "new_members_monthly"})
_FEW = 16
"""Largest number of queries for which plain numbers are faster than arrays."""


class Forecaster:
    """Answers forward queries from one model version on one panel.

    Every studio's latest month is prepared on construction, so that an answer only has to apply levers.

    Attributes:
        model: the model version.
        panel: the months of all studios.
    """

    def __init__(self, model: StudioModel, panel: StudioPanel) -> None:
        self.model, self.panel = model, panel
        preparation = StateBuilder(model, panel)
        self._graphs, self._states = preparation.graphs, preparation.states
        self._store = StateCache(preparation)
        self._effects = model.core.responses.effects
        self._no_effects = without_effect(self._effects)
        self._answers = Answers(model)
        self._closed = closed_months(panel)

    def forecast(self, queries: Sequence[ForwardQuery]) -> list[Forecast | QueryError]:
        """Answers queries in order; a query that can't be answered yields its error instead."""
        if len(queries) == 1:
            try:
                return [*self._answers.answer([self._parts_of(queries[0])])]
            except QueryError as refused:
                return [refused]
        answers: dict[int, Forecast | QueryError] = {}
        keys: dict[int, tuple[int, int]] = {}
        for order, query in enumerate(queries):
            try:
                if query.studio_id in self.panel.rows:
                    keys[order] = locate(query, self.panel)
                else:
                    answers[order] = self._answers.answer([self._new_studio(query)])[0]
            except QueryError as refused:
                answers[order] = refused
        places = self._store.find(list(keys.values()))
        asked: dict[int, _Asked] = {}
        for order, place in zip(keys, places, strict=True):
            try:
                asked[order] = _asked(queries[order], place)
            except QueryError as refused:
                answers[order] = refused
        if asked:
            projected = self._projected(list(asked.values()))
            parts = [self._parts(*one) for one in zip(asked.values(), projected, strict=True)]
            answers |= zip(asked, self._answers.answer(parts), strict=True)
        return [answers[order] for order in range(len(queries))]

    def summed(self, forecasts: Sequence[Forecast], level: float) -> ForecastSum:
        """Sums answers of this forecaster, with intervals; see `sum_forecasts`."""
        return sum_forecasts(self.model.intervals, forecasts, level)

    @property
    def interval_tables(self) -> IntervalTables:
        """Interval tables of the model."""
        return self.model.intervals

    def outlooks(self, queries: Sequence[ForwardQuery]) -> list[UncertainForecast]:
        """Answers queries in order, each with its uncertainty by source.

        Raises:
            QueryError: of the first query that can't be answered.
        """
        return [self._answers.outlook(self._parts_of(query)) for query in queries]

    def core_view(self, query: ForwardQuery) -> CoreView:
        """The core's view of a query's base month and of the months after it, under the query's levers.

        Raises:
            QueryError: the studio has no history, or not that month.
        """
        row, column = locate(query, self.panel)
        states = self._states.of(np.array([row]), column)
        return core_view(states, 0, column, lever_paths([query]))

    def _parts_of(self, query: ForwardQuery) -> AnswerParts:
        if query.studio_id not in self.panel.rows:
            return self._new_studio(query)
        (place,) = self._store.find([locate(query, self.panel)])
        asked = _asked(query, place)
        return self._parts(asked, self._projected_alone(asked))

    def origin(self, query: ForwardQuery) -> StudioOrigin:
        """The studio of a query at its base month, for planning.

        `query`: its levers are used only for a studio without history, which needs all eight.

        Raises:
            UnknownStudioError: there are no months of the studio, and not all eight levers are given.
            BaseMonthError: the studio lacks the base month.
            LeverError: a lever of a new studio is out of bounds.
            ClosedStudioError: the studio has closed.
        """
        if query.studio_id not in self.panel.rows:
            return self._new_origin(query)
        ((block, row),) = self._store.find([locate(query, self.panel)])
        if (since := self._closed_since(block, row)) is not None:
            raise ClosedStudioError(
                f"Studio {query.studio_id!r} has taken nothing since {since}: taken as closed, there is "
                "nothing to plan.",
                "Name an earlier base_month, or import its later months if it trades again.",
            )
        origin = plain_origin(block, row)
        return StudioOrigin(
            base_month=self.panel.months[block.columns[row]],
            history_months=origin.history_months,
            shown=origin.shown,
            carried=carried_levers(origin.shown),
            terms=block.terms.take(slice(row, row + 1)),
            usual=_usual(block.terms, row, block.free[row]),
            effects=self._effects,
            projected_revenue=partial(known_revenue, block, row, self._graphs),
        )

    def _new_origin(self, query: ForwardQuery) -> StudioOrigin:
        panel, terms, given = self._new_projection(query)
        return StudioOrigin(
            base_month=panel.months[0],
            history_months=0,
            shown=self._shown_by_all,
            carried=tuple(LEVER_COLUMNS),
            terms=terms,
            usual=_usual(terms, 0, given),
            effects=self._effects,
            projected_revenue=partial(new_revenue, terms),
        )

    def is_prepared(self, query: ForwardQuery) -> bool:
        """Return True if the query's origin state is cached, so that an answer takes under a millisecond.

        Otherwise an answer takes some milliseconds and may be worth a thread: the base month is an older one
        that is not in the cache, or the studio has no history.

        Raises:
            QueryError: as of `forecast`, where it is refused for its studio or base month.
        """
        if query.studio_id not in self.panel.rows:
            return False
        return query.base_month is None or self._store.holds(*locate(query, self.panel))

    def _parts(self, asked: _Asked, given: PlainMonths) -> AnswerParts:
        block, row = asked.place
        free, origin = block.free[row], asked.origin
        usual = _usual(block.terms, row, free)
        responds = origin.carried >= _FOLLOWED
        effects = self._effects if responds else self._no_effects
        known = KnownOfStudio(origin.history_months, origin.shown, effects, usual, responds=responds)
        execution = execution_of(asked.query, block.terms, row)
        month, first = self.panel.months[block.columns[row]], asked.first
        parts = AnswerParts(
            asked.query, asked.levers, first, given, free, origin.scale, month, known, execution
        )
        since = self._closed_since(block, row)
        return parts if since is None else parts.closed(since)

    def _closed_since(self, block: OriginStates, row: int) -> np.datetime64 | None:
        studio, column = int(block.rows[row]), int(block.columns[row])
        return closed_since(self.panel, studio, column) if self._closed[studio, column] else None

    def _projected(self, asked: Sequence[_Asked]) -> Sequence[PlainMonths]:
        if len(asked) <= _FEW:
            return [self._projected_alone(one) for one in asked]
        levers = stacked_paths([one.levers for one in asked])
        prepared = gathered([one.place for one in asked])
        projected = project_many(prepared, self._graphs, levers) if levers else prepared.free
        months: Sequence[PlainMonths] = projected.swapaxes(1, 2).tolist()
        return months

    def _projected_alone(self, asked: _Asked) -> PlainMonths:
        block, row = asked.place
        if not asked.levers:
            return asked.origin.free
        return project_one(block, row, self._graphs, asked.levers, asked.first)

    @cached_property
    def _shown_by_all(self) -> dict[str, Range]:
        shown = np.full((len(LEVER_COLUMNS), 2), np.nan)
        for place, name in enumerate(LEVER_COLUMNS.values()):
            values = self.panel.values[name]
            if (known := values[np.isfinite(values)]).size:
                shown[place] = known.min(), known.max()
        return shown_ranges(shown)

    def _new_studio(self, query: ForwardQuery) -> AnswerParts:
        """Parts of an answer for a studio without history: its type's levels, every lever as given.

        Raises:
            UnknownStudioError: not all eight levers are given.
        """
        panel, terms, given = self._new_projection(query)
        has_type = query.studio_type in self.model.core.studio_types
        known = KnownOfStudio(0, self._shown_by_all, self._effects, _usual(terms, 0, given), has_type)
        return AnswerParts(
            query=query,
            levers=lever_lists(query),
            first=first_months(query),
            given=given.T.tolist(),
            free=given,
            scale=self.model.intervals.new_studio_scale()[0].tolist(),
            base_month=panel.months[0],
            known=known,
            execution=execution_of(query, terms, 0),
        )

    def _new_projection(self, query: ForwardQuery) -> tuple[StudioPanel, FlowTerms, FloatArray]:
        """A one-month panel for a studio without history, the terms of its projection, and its (3, 12)
        revenue, members and retention.
        """
        panel = new_studio_panel(query, self.panel, self._shown_by_all)
        states = core_states(panel, self.model.core, assume_typical=True)
        origin = Origins(np.array([0]), np.array([0]))
        terms = origin_terms(states, project_flows(states, origin), origin)
        paths = simulate_terms(terms, lever_paths([query]))
        if not np.isfinite(paths.revenue).all():
            raise UnknownStudioError(
                f"There are no months of studio {query.studio_id!r}, "
                "and the panel's data can't stand in for them.",
                "Ask for one of GET /api/v1/studios, or import months that have members and prices.",
            )
        by_target = core_targets(paths)
        return panel, terms, np.stack([by_target[target][0] for target in TARGETS])


class _Asked(NamedTuple):
    """A checked query of a studio with history."""

    query: ForwardQuery
    place: Place  # of its prepared origin
    origin: OriginState  # the same origin as plain numbers
    levers: dict[str, list[float]]  # result of `lever_lists`
    first: FirstMonths  # months from which levers are given


def _asked(query: ForwardQuery, place: Place) -> _Asked:
    """Checks a query at its prepared origin.

    Raises:
        LeverError: as of `check_query`.
    """
    origin = plain_origin(*place)
    check_query(query, origin.shown, origin.carried)
    return _Asked(query, place, origin, lever_lists(query), first_months(query))


def _usual(terms: FlowTerms, place: int, free: FloatArray) -> Usual:
    """Usual levels of one studio; retention is taken from its (3, 12) free forecast."""
    return lambda name: float(free[_RETENTION, 0]) if name == "retention_rate" else terms.level(place, name)
