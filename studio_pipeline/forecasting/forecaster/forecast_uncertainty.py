"""Uncertainty of an answer by its sources, and of sums over many answers.

A response's standard error moves retention, or new members, by itself times the change of its regressor,
month after month; what is gained or lost stays in the stock of members as long as members stay.
Source: the delta method, to first order in the standard errors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from studio_pipeline.forecasting.base.queries import Deviations, Forecast
from studio_pipeline.forecasting.forecaster.warnings import Effects
from studio_pipeline.forecasting.intervals.interval_tables import IntervalTables
from studio_pipeline.forecasting.intervals.joint_simulation import (
    Projected,
    calendar_sum_paths,
    central_interval,
    independent_draws,
)
from studio_pipeline.forecasting.responses.regressors import crowding, overwork
from studio_pipeline.panel.arrays import FloatArray, IntArray


@dataclass(frozen=True)
class UncertainForecast:
    """A forecast over h months, and how it is uncertain.

    Attributes:
        forecast: the answer.
        projected: its revenue with deviations, given levers carried out exactly.
        scale: (h,) deviation of the log errors, given levers carried out as they are.
        responses: flow and regressor to (h,) currency that one standard error of the response moves.
        execution: lever to (h,) currency that carrying it out one deviation off moves.
        has_levers: whether any lever is given.
    """

    forecast: Forecast
    projected: Projected
    scale: FloatArray
    responses: Mapping[tuple[str, str], FloatArray]
    execution: Mapping[str, FloatArray]
    has_levers: bool

    def uncertain(self) -> Projected:
        """The revenue with deviations, given levers carried out as they are."""
        return Projected(self.projected.revenue, self.scale, self.projected.common)


_SMALLEST_PRICE = 1e-9
_USUAL_RETENTION = 0.93
"""Share of members who stay a month, where a studio's data don't show it: usual for fitness studios."""
_HELD_BY = {"retention": "retention_rate", "acquisition": "new_members_monthly"}


def regressor_changes(
    levers: Mapping[str, FloatArray], usual: Callable[[str], float]
) -> dict[str, FloatArray]:
    """Regressor of the responses to how far levers move it from where it would be, (H,); 0 where free.

    Args:
        levers: lever to (H,) given values, NaN where free.
        usual: level by itself of a lever, of `visits` a member, of `class_capacity`; NaN where unknown.
    """
    found: dict[str, FloatArray] = {}
    if "avg_ticket_price" in levers:
        price = np.maximum(levers["avg_ticket_price"], _SMALLEST_PRICE)
        found["price"] = np.log(price / max(usual("avg_ticket_price"), _SMALLEST_PRICE))
    if "staff_utilization_rate" in levers:
        rate = levers["staff_utilization_rate"]
        found["overwork"] = overwork(rate) - overwork(np.full_like(rate, usual("staff_utilization_rate")))
    if "class_attendance_rate" in levers:
        rate = levers["class_attendance_rate"]
        before = np.full_like(rate, _usual_attendance(usual))
        found["fullness"], found["crowding"] = rate - before, crowding(rate) - crowding(before)
    return {name: np.where(np.isfinite(change), change, 0.0) for name, change in found.items()}


def _usual_attendance(usual: Callable[[str], float]) -> float:
    """Attendances over seats; NaN where unknown."""
    seats = usual("total_classes_held") * usual("class_capacity")
    return usual("visits") * usual("current_member_count") / seats if seats > 0 else math.nan


def response_deviation(
    effects: Effects,
    revenue: FloatArray,
    retention: FloatArray,
    changes: Mapping[str, FloatArray],
    levers: Mapping[str, FloatArray],
) -> FloatArray:
    """(h,) deviation of the months' revenue through the responses' standard errors, currency.

    Args:
        effects: flow to regressor to the response, with its standard error.
        revenue: (h,) under the levers.
        retention: (h,) under the levers; NaN where the data carry none: then nothing responds.
        changes: of `regressor_changes`, at least h months each.
        levers: lever to at least h given values, NaN where free; a flow that is given doesn't respond.
    """
    variance = np.zeros(len(revenue))
    for moved in response_shifts(effects, revenue, retention, changes, levers).values():
        variance += moved**2
    return np.sqrt(variance)


def response_shifts(
    effects: Effects,
    revenue: FloatArray,
    retention: FloatArray,
    changes: Mapping[str, FloatArray],
    levers: Mapping[str, FloatArray],
) -> dict[tuple[str, str], FloatArray]:
    """Flow and regressor to the (h,) currency by which one standard error of the response moves the months'
    revenue, with its sign; arguments as of `response_deviation`.
    """
    months = len(revenue)
    found: dict[tuple[str, str], FloatArray] = {}
    if not changes:
        return found
    known = retention[np.isfinite(retention)]
    stays = float(np.clip(known.mean(), 0.0, 1.0)) if known.size else _USUAL_RETENTION
    lag = np.subtract.outer(np.arange(months), np.arange(months))
    kept = np.where(lag >= 0, stays ** np.maximum(lag, 0), 0.0)
    for flow, share in (("retention", stays * (1 - stays)), ("acquisition", 1 - stays)):
        held = levers.get(_HELD_BY[flow])
        open_months = np.ones(months) if held is None else ~np.isfinite(held[:months])
        for regressor, change in changes.items():
            effect = effects.get(flow, {}).get(regressor)
            if effect is not None and np.isfinite(effect.standard_error):
                moved = kept @ (share * change[:months] * open_months)
                found[flow, regressor] = revenue * effect.standard_error * moved
    return found


@dataclass(frozen=True)
class ForecastSum:
    """The sum over some answers; M calendar months from the first to the last that any of them projects.

    Attributes:
        months: (M,) datetime64[M].
        answers: (M,) how many answers project the month.
        studios: how many different studios they are of.
        revenue: (M,) mean, currency.
        intervals: (M, 2) lower and upper revenue.
        total_interval: of the sum over all months.
    """

    months: np.ndarray
    answers: IntArray
    studios: int
    revenue: FloatArray
    intervals: FloatArray
    total_interval: tuple[float, float]

    @property
    def total_revenue(self) -> float:
        """Mean over all months, currency: the sum of the answers' totals."""
        return float(self.revenue.sum())


def sum_forecasts(tables: IntervalTables, forecasts: Sequence[Forecast], level: float) -> ForecastSum:
    """The sum over answers of one model, each counted once.

    Studios miss by themselves, and all of them with the market, so that the interval is narrower than the sum
    of theirs. A studio with several answers counts several times, with the same errors in each.

    Args:
        tables: of the model.
        forecasts: at least one, made by it.
        level: of the intervals, 0 < level < 1.
    """
    aligned = _aligned(forecasts)
    paths = calendar_sum_paths(tables, aligned.projected, aligned.studios, aligned.starts)
    paths = paths[:, : len(aligned.revenue)] + _carried_out(forecasts, aligned, len(paths))
    low, high = central_interval(paths, level)
    total_low, total_high = central_interval(paths.sum(1), level)
    revenue, total = aligned.revenue, float(aligned.revenue.sum())
    return ForecastSum(
        months=aligned.first_month + np.arange(len(revenue)),
        answers=aligned.answers,
        studios=int(aligned.studios.max()) + 1,
        revenue=revenue,
        # As in an answer, they hold the mean; and nobody takes less than nothing.
        intervals=np.stack([np.clip(low, 0.0, revenue), np.maximum(high, revenue)], axis=1),
        total_interval=(min(max(float(total_low), 0.0), total), max(float(total_high), total)),
    )


@dataclass(frozen=True)
class _Aligned:
    """N answers in a calendar of M months.

    Attributes:
        projected: (N, h) zeros after an answer's last month.
        studios: (N,) numbers from 0 on.
        starts: (N,) the calendar month of an answer's first.
        first_month: the calendar's first, datetime64[M].
        revenue: (M,) sum over the answers.
        answers: (M,) how many there are.
    """

    projected: Projected
    studios: IntArray
    starts: IntArray
    first_month: np.datetime64
    revenue: FloatArray
    answers: IntArray


def _aligned(forecasts: Sequence[Forecast]) -> _Aligned:
    first_months = np.array([forecast.base_month for forecast in forecasts], dtype="datetime64[M]") + 1
    starts = (first_months - first_months.min()).astype(np.int64)
    lengths = np.array([len(forecast.revenue) for forecast in forecasts])
    longest, places = int(lengths.max()), [np.arange(length) for length in lengths]
    rows, columns = np.repeat(np.arange(len(forecasts)), lengths), np.concatenate(places)
    calendar = starts[rows] + columns
    deviations = [_deviations(forecast) for forecast in forecasts]
    revenue, scale, common = np.zeros((3, len(forecasts), longest))
    revenue[rows, columns] = np.concatenate([forecast.revenue for forecast in forecasts])
    scale[rows, columns] = np.concatenate([one.scale for one in deviations])
    common[rows, columns] = np.concatenate([one.common for one in deviations])
    return _Aligned(
        Projected(revenue, scale, common),
        np.unique([forecast.studio_id for forecast in forecasts], return_inverse=True)[1],
        starts,
        first_months.min(),
        np.bincount(calendar, revenue[rows, columns]).astype(np.float64),
        np.bincount(calendar),
    )


def _carried_out(forecasts: Sequence[Forecast], aligned: _Aligned, n_paths: int) -> FloatArray:
    """(K, M) or (1, 1) draws of what levers that are carried out inexactly move: each by itself."""
    n_months = len(aligned.revenue)
    effects = [
        np.pad(moved, (start, n_months - start - len(moved)))
        for start, forecast in zip(aligned.starts, forecasts, strict=True)
        for moved in _deviations(forecast).execution
    ]
    return independent_draws(np.array(effects), n_paths) if effects else np.zeros((1, 1))


def _deviations(forecast: Forecast) -> Deviations:
    if forecast.deviations is None:
        raise ValueError("a forecast without deviations is of no model")
    return forecast.deviations
