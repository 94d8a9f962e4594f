"""From a projection to an answer: intervals, totals, the difference to the status quo, and what to know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from studio_pipeline.forecasting.bounds import Range
from studio_pipeline.forecasting.model import StudioModel
from studio_pipeline.forecasting.queries import Forecast, ForwardQuery, LeverEffect, StatusQuo
from studio_pipeline.forecasting.query_warnings import warnings_of
from studio_pipeline.panel.arrays import FloatArray

_EFFECT_OF = {
    "avg_ticket_price": "price",
    "class_attendance_rate": "fullness",
    "staff_utilization_rate": "overwork",
}


@dataclass(frozen=True)
class AnswerParts:
    """What an answer is made of, besides its query and the model.

    Attributes:
        given: (3, 12) revenue, members and retention under the query's levers.
        free: the same with every lever free.
        scale: of the revenue's residuals.
        base_month: the last known month.
        history_months: months of the studio up to it.
        shown: of each lever, the smallest and largest value shown.
    """

    given: FloatArray
    free: FloatArray
    scale: float
    base_month: np.datetime64
    history_months: int
    shown: Mapping[str, Range]


class Answers:
    """Makes answers under one model.

    Args:
        model: the model version.
    """

    def __init__(self, model: StudioModel) -> None:
        self._model = model
        self._lever_effects = lever_effects(model)
        self._accuracy = [_accuracy(model.accuracy, months) for months in range(len(model.accuracy) + 1)]

    def answer(self, query: ForwardQuery, parts: AnswerParts) -> Forecast:
        """The answer to a query."""
        months = query.projection_months
        tables, scale = self._model.intervals, np.array([parts.scale])
        revenue = parts.given[0, :months]
        total = revenue.sum(keepdims=True)
        levels = query.interval_levels
        totals = {level: tables.total_interval(total, scale, months, level)[0] for level in levels}
        return Forecast(
            studio_id=query.studio_id,
            base_month=parts.base_month,
            history_months=parts.history_months,
            revenue=revenue,
            member_count=parts.given[1, :months],
            retention_rate=parts.given[2, :months],
            intervals={level: tables.interval(revenue[None], scale, level)[0] for level in levels},
            confidence_score=tables.chance_within(scale, months)[0],
            total_intervals={level: (float(low), float(high)) for level, (low, high) in totals.items()},
            prediction_accuracy=self._accuracy[months],
            lever_effects=self._lever_effects,
            warnings=warnings_of(query, parts.history_months, parts.shown, self._model.core.responses),
            status_quo=self._status_quo(query, parts) if query.compare_to_status_quo else None,
        )

    def _status_quo(self, query: ForwardQuery, parts: AnswerParts) -> StatusQuo:
        """Both totals err together, so the difference is as uncertain, relative to its size, as the
        total is.
        """
        months = query.projection_months
        usual = float(parts.free[0, :months].sum())
        difference = float(parts.given[0, :months].sum()) - usual
        ends = self._model.intervals.total_interval(
            np.array([difference]), np.array([parts.scale]), months, query.interval_levels[0]
        )[0]
        return StatusQuo(usual, difference, (float(ends.min()), float(ends.max())))


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
