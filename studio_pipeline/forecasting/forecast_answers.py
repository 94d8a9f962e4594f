"""From a projection to an answer: intervals, totals, the difference to the status quo, and what to know."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from studio_pipeline.forecasting.joint_paths import Projected, difference_interval
from studio_pipeline.forecasting.lever_shares import widening_outside
from studio_pipeline.forecasting.model import StudioModel
from studio_pipeline.forecasting.queries import Forecast, ForwardQuery, LeverEffect, StatusQuo
from studio_pipeline.forecasting.query_warnings import KnownOfStudio, warnings_of
from studio_pipeline.forecasting.requests import lever_lists
from studio_pipeline.forecasting.response_uncertainty import regressor_changes, response_deviation
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
        scale: (12,) deviation of the revenue's log error with every lever free.
        chance: (12,) chance that a month lands within 10 % of its forecast with every lever free.
        base_month: the last known month.
        known: of the studio, for its history and warnings.
        execution: (J, 12) effects of `execution_effects`; None where levers are carried out exactly.
    """

    given: FloatArray
    free: FloatArray
    scale: FloatArray
    chance: FloatArray
    base_month: np.datetime64
    known: KnownOfStudio
    execution: FloatArray | None = None


@dataclass(frozen=True)
class _Spread:
    """How uncertain an answer is: (h,) deviations of the months' log errors with levers carried out exactly
    and as they are, the common part of the former, and what carrying them out adds to the total, currency.
    """

    exact: FloatArray
    common: FloatArray
    month: FloatArray
    total_execution: float


class Answers:
    """Makes answers under one model.

    Args:
        model: the model version.
    """

    def __init__(self, model: StudioModel) -> None:
        self._model = model
        self._accuracy = [_accuracy(model.accuracy, months) for months in range(len(model.accuracy) + 1)]

    def answer(self, query: ForwardQuery, parts: AnswerParts) -> Forecast:
        """The answer to a query."""
        months, levels = query.projection_months, query.interval_levels
        revenue, tables = parts.given[0, :months], self._model.intervals
        levers = {name: np.array(path) for name, path in lever_lists(query).items()}
        spread = self._spread(parts, revenue, levers)
        free = not levers and parts.execution is None
        chance = parts.chance[:months] if free else tables.chance_within(spread.month[None])[0]
        return Forecast(
            studio_id=query.studio_id,
            base_month=parts.base_month,
            history_months=parts.known.history_months,
            revenue=revenue,
            member_count=parts.given[1, :months],
            retention_rate=parts.given[2, :months],
            intervals={
                level: tables.interval(revenue[None], spread.month[None], level)[0] for level in levels
            },
            confidence_score=chance,
            total_intervals={level: self._total(revenue, spread, level) for level in levels},
            prediction_accuracy=self._accuracy[months],
            lever_effects=lever_effects(self._model, query.studio_id),
            warnings=warnings_of(query, parts.known),
            status_quo=self._status_quo(query, parts, spread, levers)
            if query.compare_to_status_quo
            else None,
        )

    def _spread(self, parts: AnswerParts, revenue: FloatArray, levers: Mapping[str, FloatArray]) -> _Spread:
        """Given levers take uncertainty away; those carried out inexactly add some, in quadrature."""
        months = len(revenue)
        shown = parts.known.shown
        if parts.known.history_months:
            exact, common = self._model.intervals.given_scale(parts.scale, levers, shown)
        else:
            # Of a studio without history all levers are given, and still little is known.
            wider = widening_outside(levers, shown)
            exact, common = parts.scale * wider, self._model.intervals.common_deviation * wider
        exact, common = exact[:months], common[:months]
        if parts.execution is None:
            return _Spread(exact, common, exact, 0.0)
        effects = parts.execution[:, :months]
        month = np.hypot(exact, np.sqrt((effects**2).sum(0)))
        return _Spread(exact, common, month, float(np.sqrt(((effects * revenue).sum(1) ** 2).sum())))

    def _total(self, revenue: FloatArray, spread: _Spread, level: float) -> tuple[float, float]:
        """Interval of the sum; levers are off alike in all months, so they add to it more than errors do."""
        months, total = len(revenue), float(revenue.sum())
        tables = self._model.intervals
        scale = spread.exact
        if spread.total_execution and total > 0:
            added = spread.total_execution / total / tables.total_deviation[months - 1]
            scale = np.full(months, math.hypot(float(scale.mean()), added))
        low, high = tables.total_interval(np.array([total]), scale[None], months, level)[0]
        return float(low), float(high)

    def _status_quo(
        self, query: ForwardQuery, parts: AnswerParts, spread: _Spread, levers: Mapping[str, FloatArray]
    ) -> StatusQuo:
        """The same studio with every lever free. Both answers live through the same errors; the responses and
        levers that are carried out inexactly move one of them alone.
        """
        months = query.projection_months
        given = Projected(parts.given[0, :months], spread.exact, spread.common)
        usual = Projected(parts.free[0, :months], parts.scale[:months])
        deviation = response_deviation(
            parts.known.effects,
            given.revenue,
            parts.given[2, :months],
            regressor_changes(levers, parts.known.usual),
            levers,
        )
        deviation = np.hypot(deviation, spread.total_execution / months)
        ends = difference_interval(self._model.intervals, given, usual, deviation, query.interval_levels[0])
        total = float(usual.revenue.sum())
        return StatusQuo(total, float(given.revenue.sum()) - total, ends)


def _accuracy(accuracy: FloatArray, months: int) -> float:
    """Of the span asked for, else of the longest shorter one that was measured; NaN where none was."""
    measured = accuracy[:months][np.isfinite(accuracy[:months])]
    return float(measured[-1]) if measured.size else float("nan")


def lever_effects(model: StudioModel, studio_id: str) -> dict[str, LeverEffect]:
    """How a studio's retention (log odds) responds to price (per log unit), attendance and staff utilisation
    (per rate point).
    """
    found = {
        lever: model.core.responses.effect("retention", name, studio_id) for lever, name in _EFFECT_OF.items()
    }
    return {lever: effect for lever, effect in found.items() if effect is not None}
