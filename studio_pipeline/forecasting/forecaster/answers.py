"""Answers from projections: intervals, totals, difference to the status quo, lever effects and warnings.

Input are the `AnswerParts` that the `forecaster` gathers from the projection of an origin; intervals come
from `prediction_intervals`, sentences from `warnings`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TypeVar

import numpy as np

from studio_pipeline.forecasting.base.given_levers import HELD_LEVERS
from studio_pipeline.forecasting.base.queries import Deviations, Forecast, LeverEffect, StatusQuo
from studio_pipeline.forecasting.forecaster.forecast_uncertainty import (
    UncertainForecast,
    regressor_changes,
    response_deviation,
    response_shifts,
)
from studio_pipeline.forecasting.forecaster.prediction_intervals import (
    AnswerParts,
    Band,
    Bands,
    Spread,
    Spreads,
)
from studio_pipeline.forecasting.forecaster.warnings import warnings_of
from studio_pipeline.forecasting.intervals.joint_simulation import Projected, difference_interval
from studio_pipeline.forecasting.intervals.lever_variance_shares import widening_outside
from studio_pipeline.forecasting.model.studio_model import StudioModel
from studio_pipeline.panel.arrays import FloatArray

_EFFECT_OF: Mapping[str, tuple[str, ...]] = {
    "avg_ticket_price": ("price",),
    "class_attendance_rate": ("fullness", "crowding"),
    "staff_utilization_rate": ("overwork",),
}
"""Responses that a lever acts through; the first that does not mostly rest on its prior is reported."""
_MOST_STUDIOS = 4096

Measured = TypeVar("Measured")


class Answers:
    """Builds answers with one model version."""

    def __init__(self, model: StudioModel) -> None:
        self._model = model
        self._spreads, self._bands = Spreads(model.intervals), Bands(model.intervals)
        self._accuracy = [_accuracy(model.accuracy, months) for months in range(len(model.accuracy) + 1)]
        self._effects: Callable[[str, bool], dict[str, LeverEffect]] = lru_cache(_MOST_STUDIOS)(
            lambda studio_id, responds: lever_effects(model, studio_id, responds)
        )

    def answer(self, asked: Sequence[AnswerParts]) -> list[Forecast]:
        """Answers in the order of the queries; those with equal months and levels are computed together."""
        if len(asked) == 1:
            return self._alike(asked)
        alike: dict[tuple[int, tuple[float, ...]], list[int]] = {}
        for order, parts in enumerate(asked):
            key = parts.query.projection_months, parts.query.interval_levels
            alike.setdefault(key, []).append(order)
        found: dict[int, Forecast] = {}
        for orders in alike.values():
            found |= zip(orders, self._alike([asked[order] for order in orders]), strict=True)
        return [found[order] for order in range(len(asked))]

    def _alike(self, asked: Sequence[AnswerParts]) -> list[Forecast]:
        spreads = [self._spreads.of(parts) for parts in asked]
        bands = self._bands.of(asked, spreads, asked[0].query.interval_levels)
        return list(map(self._forecast, asked, spreads, bands))

    def outlook(self, parts: AnswerParts) -> UncertainForecast:
        """The answer with the components of its uncertainty."""
        months, query = parts.query.projection_months, parts.query
        (forecast,), spread = self.answer([parts]), self._spreads.of(parts)
        shifts = self._through_responses(parts, response_shifts)
        names = [name for name in HELD_LEVERS if name in parts.levers]
        executed = np.zeros((len(names), months)) if parts.execution is None else parts.execution
        return UncertainForecast(
            forecast,
            Projected(forecast.revenue, np.array(spread.exact), np.array(spread.common)),
            np.array(spread.month),
            shifts,
            dict(zip(names, executed[:, :months] * forecast.revenue, strict=True)),
            bool(query.levers or query.lever_plan),
        )

    def _forecast(self, parts: AnswerParts, spread: Spread, band: Band) -> Forecast:
        query = parts.query
        months, levels = query.projection_months, query.interval_levels
        return Forecast(
            studio_id=query.studio_id,
            base_month=parts.base_month,
            history_months=parts.known.history_months,
            months=parts.given[:months],
            bounds=dict(zip(levels, band.months, strict=True)),
            chances=band.chance,
            total_intervals={
                level: (low, high) for level, (low, high) in zip(levels, band.total, strict=True)
            },
            prediction_accuracy=self._accuracy[months],
            lever_effects=self._effects(query.studio_id, parts.known.responds),
            warnings=warnings_of(query, parts.known),
            status_quo=self._status_quo(parts, spread)
            if query.compare_to_status_quo and parts.known.history_months
            else None,
            deviations=Deviations(spread.exact, spread.common, _execution(parts)),
        )

    def _status_quo(self, parts: AnswerParts, spread: Spread) -> StatusQuo:
        """Forecast of the same studio with every lever free, and the difference to it.

        Both answers share their errors; only the answer with given levers is uncertain through the responses
        and through levers that are carried out inexactly.
        """
        months = parts.query.projection_months
        given = Projected(parts.given_arrays()[0], np.array(spread.exact), np.array(spread.common))
        free_market = self._model.intervals.common_deviation[:months]
        usual = Projected(parts.free[0, :months], np.array(parts.scale[:months]), free_market)
        deviation = np.hypot(
            self._through_responses(parts, response_deviation), spread.total_execution / months
        )
        level = parts.query.interval_levels[0]
        ends = difference_interval(self._model.intervals, given, usual, deviation, level)
        total = float(usual.revenue.sum())
        difference = float(given.revenue.sum()) - total
        # The loss can't exceed the total itself.
        low = min(max(ends[0], -total), difference)
        return StatusQuo(total, difference, (low, max(ends[1], difference)))

    def _through_responses(self, parts: AnswerParts, measure: Callable[..., Measured]) -> Measured:
        """Result of `measure`, which is `response_deviation` or `response_shifts`, for an answer.

        Outside the range shown the responses are extrapolated: their errors grow with the answer's own.
        """
        levers = {name: np.array(path) for name, path in parts.levers.items()}
        wider = np.array(widening_outside(parts.levers, parts.known.shown))
        responses = self._model.core.responses
        workload = responses.slope("utilization", "classes")
        changes = regressor_changes(levers, parts.known.usual, responses.comfort, workload)
        revenue, _, retention = parts.given_arrays()
        return measure(
            parts.known.effects,
            revenue,
            retention,
            {name: change * wider for name, change in changes.items()},
            levers,
        )


def _execution(parts: AnswerParts) -> Sequence[FloatArray]:
    """Of each lever, (h,) change of revenue per standard deviation of its execution, currency."""
    if parts.execution is None:
        return ()
    return list(parts.execution[:, : parts.query.projection_months] * parts.given_arrays()[0])


def _accuracy(accuracy: FloatArray, months: int) -> float:
    """Accuracy over `months`, else over the longest shorter span with a value; NaN without any."""
    measured = accuracy[:months][np.isfinite(accuracy[:months])]
    return float(measured[-1]) if measured.size else float("nan")


def lever_effects(model: StudioModel, studio_id: str, responds: bool) -> dict[str, LeverEffect]:
    """Responses of a studio's retention (log odds) to price (per log unit), attendance and staff utilisation
    (per unit of the rate). `responds`: whether its members follow from retention and new members; else every
    effect is taken as 0.
    """
    found = {}
    for lever, names in _EFFECT_OF.items():
        effects = [model.core.responses.effect("retention", name, studio_id) for name in names]
        known = [effect for effect in effects if effect is not None]
        if known:
            shown = next((effect for effect in known if effect.source != "prior"), known[0])
            found[lever] = shown if responds else shown.taken_as_none()
    return found
