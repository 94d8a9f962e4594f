"""From a projection to an answer: intervals, totals, the difference to the status quo, and what to know."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from studio_pipeline.forecasting.model import StudioModel
from studio_pipeline.forecasting.queries import Forecast, ForwardQuery, LeverEffect, StatusQuo
from studio_pipeline.forecasting.query_warnings import KnownOfStudio, warnings_of
from studio_pipeline.forecasting.revenue_bands import RevenueBands
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
        chance: (12,) chance that a month lands within 10 % of its forecast.
        base_month: the last known month.
        known: of the studio, for its history and warnings.
        execution: (J, 12) effects of `execution_effects`; None where levers are carried out exactly.
    """

    given: FloatArray
    free: FloatArray
    scale: float
    chance: FloatArray
    base_month: np.datetime64
    known: KnownOfStudio
    execution: FloatArray | None = None


@dataclass(frozen=True)
class _Spread:
    """Scales of the revenue's residuals over the months asked for: of each month, and of their sum."""

    month: FloatArray | float
    total: float
    chance: FloatArray
    total_execution: float


class Answers:
    """Makes answers under one model.

    Args:
        model: the model version.
        bands: of its intervals.
    """

    def __init__(self, model: StudioModel, bands: RevenueBands) -> None:
        self._model, self._bands = model, bands
        self._lever_effects = lever_effects(model)
        self._accuracy = [_accuracy(model.accuracy, months) for months in range(len(model.accuracy) + 1)]

    def answer(self, query: ForwardQuery, parts: AnswerParts) -> Forecast:
        """The answer to a query."""
        months = query.projection_months
        revenue = parts.given[0, :months]
        total = float(revenue.sum())
        spread = self._spread(parts, revenue, total)
        levels, bands = query.interval_levels, self._bands
        return Forecast(
            studio_id=query.studio_id,
            base_month=parts.base_month,
            history_months=parts.known.history_months,
            revenue=revenue,
            member_count=parts.given[1, :months],
            retention_rate=parts.given[2, :months],
            intervals={level: bands.months(revenue, spread.month, level) for level in levels},
            confidence_score=spread.chance,
            total_intervals={level: bands.total(total, spread.total, months, level) for level in levels},
            prediction_accuracy=self._accuracy[months],
            lever_effects=self._lever_effects,
            warnings=warnings_of(query, parts.known),
            status_quo=self._status_quo(query, parts, total, spread) if query.compare_to_status_quo else None,
        )

    def _spread(self, parts: AnswerParts, revenue: FloatArray, total: float) -> _Spread:
        """Levers that are carried out inexactly add their own variance, in quadrature."""
        months = len(revenue)
        if parts.execution is None:
            return _Spread(parts.scale, parts.scale, parts.chance[:months], 0.0)
        effects = parts.execution[:, :months]
        of_month = np.sqrt((effects**2).sum(0)) / self._bands.month_deviation[:months]
        month_scale = np.hypot(parts.scale, of_month)
        moved = float(np.sqrt(((effects * revenue).sum(1) ** 2).sum()))
        of_total = moved / total / self._bands.total_deviation[months - 1] if total > 0 else 0.0
        chance = self._bands.chance_within(month_scale[None])[0]
        return _Spread(month_scale, math.hypot(parts.scale, of_total), chance, moved)

    def _status_quo(
        self, query: ForwardQuery, parts: AnswerParts, total: float, spread: _Spread
    ) -> StatusQuo:
        """Both totals err together, so the difference is as uncertain, relative to its size, as the total is;
        levers that are carried out inexactly move one of them alone.
        """
        months, level = query.projection_months, query.interval_levels[0]
        usual = float(parts.free[0, :months].sum())
        difference = total - usual
        low, high = sorted(self._bands.total(difference, parts.scale, months, level))
        moved = spread.total_execution * NormalDist().inv_cdf((1 + level) / 2)
        ends = (
            difference - math.hypot(difference - low, moved),
            difference + math.hypot(high - difference, moved),
        )
        return StatusQuo(usual, difference, ends if moved else (low, high))


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
