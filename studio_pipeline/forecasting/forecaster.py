"""The forecaster: a model and a panel that answer forward queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from studio_pipeline.errors import QueryError, UnknownStudioError
from studio_pipeline.forecasting.bounds import Range
from studio_pipeline.forecasting.core import core_states, project_core
from studio_pipeline.forecasting.folds import Origins
from studio_pipeline.forecasting.hyperparameters import MAX_HORIZON_MONTHS
from studio_pipeline.forecasting.intervals import IntervalTables
from studio_pipeline.forecasting.model import StudioModel
from studio_pipeline.forecasting.projection import Projection, Projector
from studio_pipeline.forecasting.queries import Forecast, ForwardQuery, LeverEffect, StatusQuo
from studio_pipeline.forecasting.query_warnings import warnings_of
from studio_pipeline.forecasting.requests import Located, lever_paths, locate, new_studio_panel, shown_ranges
from studio_pipeline.forecasting.targets import core_targets
from studio_pipeline.panel.arrays import FloatArray, StudioPanel

_NEW_STUDIO_WIDENING = 2.0
_EFFECT_OF = {
    "avg_ticket_price": "price",
    "class_attendance_rate": "fullness",
    "staff_utilization_rate": "overwork",
}


class Forecaster:
    """Answers forward queries from one model version on one data version.

    Attributes:
        model: the model version.
        panel: the data version.
    """

    def __init__(self, model: StudioModel, panel: StudioPanel) -> None:
        self.model, self.panel = model, panel
        self._projector = Projector(model, panel)

    def forecast(self, queries: Sequence[ForwardQuery]) -> list[Forecast | QueryError]:
        """Answers each query, in order; a query that can't be answered gets its error instead."""
        answers: list[Forecast | QueryError | None] = [None] * len(queries)
        located: list[tuple[int, Located]] = []
        for place, query in enumerate(queries):
            try:
                if query.studio_id in self.panel.rows:
                    located.append((place, locate(query, self.panel)))
                else:
                    answers[place] = self._new_studio(query)
            except QueryError as refused:
                answers[place] = refused
        if located:
            known = self._known_studios([one for _, one in located])
            for (place, _), answer in zip(located, known, strict=True):
                answers[place] = answer
        return [answer for answer in answers if answer is not None]

    def _known_studios(self, located: list[Located]) -> list[Forecast]:
        origins = Origins(np.array([one.row for one in located]), np.array([one.column for one in located]))
        levers = lever_paths([one.query for one in located])
        given, free = self._projector.project(origins, levers)
        history = [int(self.panel.known[one.row, : one.column + 1].sum()) for one in located]
        return [
            _answer(
                one.query,
                self,
                k,
                given,
                free,
                _Context(self.panel.months[one.column], history[k], one.shown),
            )
            for k, one in enumerate(located)
        ]

    def _new_studio(self, query: ForwardQuery) -> Forecast:
        """A studio without history: its type's levels, every lever as given.

        Raises:
            UnknownStudioError: not all eight levers are given.
        """
        panel = new_studio_panel(query, self.panel)
        states = core_states(panel, self.model.core, assume_typical=True)
        paths = project_core(states, np.array([0]), np.array([0]), MAX_HORIZON_MONTHS, lever_paths([query]))
        if not np.isfinite(paths.revenue).all():
            raise UnknownStudioError(
                f"There are no months of studio {query.studio_id!r}, "
                "and the panel's data can't stand in for them.",
                "Ask for one of GET /api/v1/studios, or import months that have members and prices.",
            )
        scale = np.array([self.model.intervals.panel_scale * _NEW_STUDIO_WIDENING])
        projection = Projection(core_targets(paths), scale)
        shown = shown_ranges(self.panel, slice(None), self.panel.n_months - 1)
        return _answer(query, self, 0, projection, projection, _Context(panel.months[0], 0, shown))


@dataclass(frozen=True)
class _Context:
    """What an answer needs besides its projections."""

    base_month: np.datetime64
    history_months: int
    shown: Mapping[str, Range]


def _answer(
    query: ForwardQuery,
    forecaster: Forecaster,
    place: int,
    given: Projection,
    free: Projection,
    context: _Context,
) -> Forecast:
    months = query.projection_months
    tables = forecaster.model.intervals
    revenue = given.targets["revenue"][place, :months]
    scale = given.scale[place : place + 1]
    forecast = Forecast(
        studio_id=query.studio_id,
        base_month=context.base_month,
        history_months=context.history_months,
        revenue=revenue,
        member_count=given.targets["members"][place, :months],
        retention_rate=given.targets["retention"][place, :months],
        intervals={level: tables.interval(revenue[None], scale, level)[0] for level in query.interval_levels},
        confidence_score=tables.chance_within(scale, months)[0],
        total_intervals={level: _total(tables, revenue, scale, level) for level in query.interval_levels},
        prediction_accuracy=_accuracy(forecaster.model.accuracy, months),
        lever_effects=lever_effects(forecaster.model),
        warnings=warnings_of(query, context.history_months, context.shown, forecaster.model.core.responses),
    )
    if not query.compare_to_status_quo:
        return forecast
    usual = free.targets["revenue"][place, :months]
    return replace(forecast, status_quo=_status_quo(revenue, usual, scale, tables, query.interval_levels[0]))


def _total(
    tables: IntervalTables, revenue: FloatArray, scale: FloatArray, level: float
) -> tuple[float, float]:
    low, high = tables.total_interval(revenue.sum(keepdims=True), scale, len(revenue), level)[0]
    return float(low), float(high)


def _accuracy(accuracy: FloatArray, months: int) -> float:
    """Of the span asked for, else of the longest shorter one that was measured; NaN where none was."""
    measured = accuracy[:months][np.isfinite(accuracy[:months])]
    return float(measured[-1]) if measured.size else float("nan")


def lever_effects(model: StudioModel) -> dict[str, LeverEffect]:
    """How retention (log odds) responds to price (per log unit), attendance and staff utilisation (per rate
    point).
    """
    responses = model.core.responses.effects.get("retention", {})
    return {lever: responses[name] for lever, name in _EFFECT_OF.items() if name in responses}


def _status_quo(
    revenue: FloatArray, usual: FloatArray, scale: FloatArray, tables: IntervalTables, level: float
) -> StatusQuo:
    """Both totals err together, so the difference is as uncertain, relative to its size, as the total is."""
    difference = float(revenue.sum() - usual.sum())
    low, high = tables.total_interval(np.array([difference]), scale, len(revenue), level)[0]
    return StatusQuo(
        float(usual.sum()), difference, (min(float(low), float(high)), max(float(low), float(high)))
    )
