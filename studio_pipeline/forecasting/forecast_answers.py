"""From projections to answers: intervals, totals, the difference to the status quo, and what to know."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np

from studio_pipeline.forecasting.given_months import FirstMonths
from studio_pipeline.forecasting.hyperparameters import MAX_HORIZON_MONTHS
from studio_pipeline.forecasting.joint_paths import Projected, difference_interval
from studio_pipeline.forecasting.known_levers import HELD_LEVERS
from studio_pipeline.forecasting.lever_shares import widening_outside
from studio_pipeline.forecasting.model import StudioModel
from studio_pipeline.forecasting.outlooks import Outlook
from studio_pipeline.forecasting.queries import Deviations, Forecast, ForwardQuery, LeverEffect, StatusQuo
from studio_pipeline.forecasting.query_warnings import KnownOfStudio, warnings_of
from studio_pipeline.forecasting.response_uncertainty import (
    regressor_changes,
    response_deviation,
    response_shifts,
)
from studio_pipeline.panel.arrays import FloatArray

_EFFECT_OF: Mapping[str, tuple[str, ...]] = {
    "avg_ticket_price": ("price",),
    "class_attendance_rate": ("fullness", "crowding"),
    "staff_utilization_rate": ("overwork",),
}
"""Responses that a lever acts through; the first that the data show is told."""
_MOST_STUDIOS = 4096

Measured = TypeVar("Measured")


@dataclass(frozen=True)
class AnswerParts:
    """What an answer is made of, besides the model.

    Attributes:
        query: what is asked.
        levers: lever to its value in each of 12 months, NaN where free.
        first: since when levers are given.
        given: (3, 12) revenue, members and retention under the query's levers.
        free: the same with every lever free.
        scale: (12,) deviation of the revenue's log error with every lever free.
        base_month: the last known month.
        known: of the studio, for its history and warnings.
        execution: (J, 12) effects of `execution_effects`; None where levers are carried out exactly.
    """

    query: ForwardQuery
    levers: Mapping[str, list[float]]
    first: FirstMonths
    given: FloatArray
    free: FloatArray
    scale: FloatArray
    base_month: np.datetime64
    known: KnownOfStudio
    execution: FloatArray | None = None


@dataclass(frozen=True)
class _Spread:
    """How uncertain an answer is: (h,) deviations of the months' log errors with levers carried out exactly
    and as they are, the common part of the former; what carrying them out adds to the total, currency; and
    the deviation of the total.
    """

    exact: FloatArray
    common: FloatArray
    month: FloatArray
    total_execution: float
    total: float


@dataclass(frozen=True)
class _Bands:
    """Of one answer: (L, h, 2) bounds of months, L pairs of bounds of the total, and (h,) chances."""

    months: FloatArray
    total: Sequence[Sequence[float]]
    chance: FloatArray


class Answers:
    """Makes answers under one model.

    Args:
        model: the model version.
    """

    def __init__(self, model: StudioModel) -> None:
        self._model = model
        self._accuracy = [_accuracy(model.accuracy, months) for months in range(len(model.accuracy) + 1)]
        self._effects: Callable[[str], dict[str, LeverEffect]] = lru_cache(_MOST_STUDIOS)(
            lambda studio_id: lever_effects(model, studio_id)
        )

    def answer(self, asked: Sequence[AnswerParts]) -> list[Forecast]:
        """The answers, in order; those over the same months at the same levels in one pass."""
        alike: dict[tuple[int, tuple[float, ...]], list[int]] = {}
        for order, parts in enumerate(asked):
            key = parts.query.projection_months, parts.query.interval_levels
            alike.setdefault(key, []).append(order)
        found: dict[int, Forecast] = {}
        for (months, levels), orders in alike.items():
            here = [asked[order] for order in orders]
            spreads = [self._spread(parts, months) for parts in here]
            bands = self._bands(here, spreads, levels)
            for order, one, spread, band in zip(orders, here, spreads, bands, strict=True):
                found[order] = self._forecast(one, spread, band)
        return [found[order] for order in range(len(asked))]

    def outlook(self, parts: AnswerParts) -> Outlook:
        """The answer with what its uncertainty is made of."""
        months, query = parts.query.projection_months, parts.query
        (forecast,), spread = self.answer([parts]), self._spread(parts, months)
        shifts = _through_responses(parts, response_shifts)
        names = [name for name in HELD_LEVERS if name in parts.levers]
        executed = np.zeros((len(names), months)) if parts.execution is None else parts.execution
        return Outlook(
            forecast,
            Projected(forecast.revenue, spread.exact, spread.common),
            spread.month,
            shifts,
            dict(zip(names, executed[:, :months] * forecast.revenue, strict=True)),
            bool(query.levers or query.lever_plan),
        )

    def _bands(
        self, asked: Sequence[AnswerParts], spreads: Sequence[_Spread], levels: tuple[float, ...]
    ) -> list[_Bands]:
        """Of N answers over the same h months."""
        tables, months = self._model.intervals, len(spreads[0].month)
        # The sum is one more column.
        revenue, scale = np.empty((2, len(asked), months + 1))
        for row, (parts, spread) in enumerate(zip(asked, spreads, strict=True)):
            revenue[row, :months], scale[row, :months] = parts.given[0, :months], spread.month
            scale[row, months] = spread.total
        revenue[:, months] = revenue[:, :months].sum(1)
        bounds = _in_order(tables.bounds(revenue, scale, levels), revenue)
        chances = tables.chance_within(scale[:, :months])
        return list(map(_Bands, bounds[:, :, :months], bounds[:, :, months].tolist(), chances))

    def _forecast(self, parts: AnswerParts, spread: _Spread, bands: _Bands) -> Forecast:
        query = parts.query
        months, levels = query.projection_months, query.interval_levels
        revenue, members, retention = parts.given[:, :months]
        return Forecast(
            studio_id=query.studio_id,
            base_month=parts.base_month,
            history_months=parts.known.history_months,
            revenue=revenue,
            member_count=members,
            retention_rate=retention,
            intervals=dict(zip(levels, bands.months, strict=True)),
            confidence_score=bands.chance,
            total_intervals={
                level: (low, high) for level, (low, high) in zip(levels, bands.total, strict=True)
            },
            prediction_accuracy=self._accuracy[months],
            lever_effects=self._effects(query.studio_id),
            warnings=warnings_of(query, parts.known),
            status_quo=self._status_quo(parts, spread)
            if query.compare_to_status_quo and parts.known.history_months
            else None,
            deviations=Deviations(spread.exact, spread.common, _execution(parts, months)),
        )

    def _spread(self, parts: AnswerParts, months: int) -> _Spread:
        """Given levers take uncertainty away; those carried out inexactly add some, in quadrature. They are
        off alike in all months, so they add more to the total than errors do.
        """
        tables, shown = self._model.intervals, parts.known.shown
        if parts.known.history_months:
            exact, common = tables.given_scale(parts.scale, parts.levers, parts.first, shown)
        else:
            # Of a studio without history all levers are given, and still little is known.
            wider = widening_outside(parts.levers, shown)
            exact, common = parts.scale * wider, tables.common_deviation * wider
        exact, common = exact[:months], common[:months]
        mean = float(self._summed(parts, exact, common).sum()) / months
        if parts.execution is None:
            return _Spread(exact, common, exact, 0.0, mean)
        revenue, effects = parts.given[0, :months], parts.execution[:, :months]
        month = np.hypot(exact, np.sqrt((effects**2).sum(0)))
        execution = float(np.sqrt(((effects * revenue).sum(1) ** 2).sum()))
        total = float(revenue.sum())
        added = execution / total / float(tables.total_deviation[months - 1]) if total > 0 else 0.0
        return _Spread(exact, common, month, execution, math.hypot(mean, added))

    def _summed(self, parts: AnswerParts, exact: FloatArray, common: FloatArray) -> FloatArray:
        """(h,) deviations of the months as they count in the total."""
        if not parts.levers or not parts.known.history_months:
            return exact
        return self._model.intervals.sum_scale(exact, common, parts.scale[: len(exact)])

    def _status_quo(self, parts: AnswerParts, spread: _Spread) -> StatusQuo:
        """The same studio with every lever free. Both answers live through the same errors; the responses and
        levers that are carried out inexactly move one of them alone.
        """
        months = parts.query.projection_months
        given = Projected(parts.given[0, :months], spread.exact, spread.common)
        usual = Projected(parts.free[0, :months], parts.scale[:months])
        deviation = np.hypot(_through_responses(parts, response_deviation), spread.total_execution / months)
        level = parts.query.interval_levels[0]
        ends = difference_interval(self._model.intervals, given, usual, deviation, level)
        total = float(usual.revenue.sum())
        difference = float(given.revenue.sum()) - total
        # Nobody loses more than there is.
        low = min(max(ends[0], -total), difference)
        return StatusQuo(total, difference, (low, max(ends[1], difference)))


_EXACTLY = np.zeros((0, MAX_HORIZON_MONTHS))


def _execution(parts: AnswerParts, months: int) -> FloatArray:
    """(J, h) what carrying out each lever one deviation off moves, currency."""
    if parts.execution is None:
        return _EXACTLY[:, :months]
    return parts.execution[:, :months] * parts.given[0, :months]


def _through_responses(parts: AnswerParts, measure: Callable[..., Measured]) -> Measured:
    """`response_deviation` or `response_shifts` of an answer."""
    months = parts.query.projection_months
    levers = {name: np.array(path) for name, path in parts.levers.items()}
    return measure(
        parts.known.effects,
        parts.given[0, :months],
        parts.given[2, :months],
        regressor_changes(levers, parts.known.usual),
        levers,
    )


def _in_order(bounds: FloatArray, mean: FloatArray) -> FloatArray:
    """(N, L, h + 1, 2) bounds, made to hold the mean, and of the sum no wider than all months at their ends.

    Far outside what was seen, errors are so skewed that the mean would lie above nine in ten of them.
    """
    low, high = bounds[..., 0], bounds[..., 1]
    np.minimum(low, mean[:, None], out=low)
    np.maximum(high, mean[:, None], out=high)
    months = bounds[..., :-1, :].sum(-2)
    np.maximum(low[..., -1], months[..., 0], out=low[..., -1])
    np.minimum(high[..., -1], months[..., 1], out=high[..., -1])
    return bounds


def _accuracy(accuracy: FloatArray, months: int) -> float:
    """Of the span asked for, else of the longest shorter one that was measured; NaN where none was."""
    measured = accuracy[:months][np.isfinite(accuracy[:months])]
    return float(measured[-1]) if measured.size else float("nan")


def lever_effects(model: StudioModel, studio_id: str) -> dict[str, LeverEffect]:
    """How a studio's retention (log odds) responds to price (per log unit), attendance and staff utilisation
    (per rate point).
    """
    found = {}
    for lever, names in _EFFECT_OF.items():
        effects = [model.core.responses.effect("retention", name, studio_id) for name in names]
        known = [effect for effect in effects if effect is not None]
        if known:
            found[lever] = next((effect for effect in known if effect.source != "prior"), known[0])
    return found
