"""Uncertainty of a forecast by source, and sums over many forecasts with intervals.

The sources are forecast errors (own and market), the standard errors of the lever responses, and levers that
are carried out inexactly. A response's standard error times the change of its regressor moves retention or
new members month after month; the change stays in the stock of members as long as members stay. Intervals of
single answers are in `prediction_intervals`, differences between answers in `planning.scenarios`.
Source: the delta method, to first order in the standard errors.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from studio_pipeline.forecasting.base.queries import Deviations, Forecast
from studio_pipeline.forecasting.forecaster.warnings import Effects, Usual
from studio_pipeline.forecasting.intervals.interval_tables import IntervalTables
from studio_pipeline.forecasting.intervals.joint_simulation import (
    Projected,
    calendar_sum_paths,
    central_interval,
    independent_draws,
)
from studio_pipeline.forecasting.responses.regressors import Comfort, burden
from studio_pipeline.panel.arrays import FloatArray, IntArray


@dataclass(frozen=True)
class UncertainForecast:
    """A forecast over h months with its uncertainty by source."""

    forecast: Forecast  # the answer
    projected: Projected  # its revenue with deviations, if given levers are carried out exactly
    scale: FloatArray  # (h,) deviation of the log errors, including inexact execution of given levers
    responses: Mapping[tuple[str, str], FloatArray]  # flow and regressor to (h,) currency per standard error
    execution: Mapping[str, FloatArray]  # lever to (h,) currency per standard deviation of its execution
    has_levers: bool  # whether any lever is given

    def uncertain(self) -> Projected:
        """The revenue with deviations that include inexact execution of given levers."""
        return Projected(self.projected.revenue, self.scale, self.projected.common)


_SMALLEST_PRICE = 1e-9
_USUAL_RETENTION = 0.93
"""Share of members who stay a month, where a studio's data don't show it: usual for fitness studios."""
_HELD_BY = {"retention": "retention_rate", "acquisition": "new_members_monthly"}


def regressor_changes(
    levers: Mapping[str, FloatArray], usual: Usual, comfort: Comfort, workload: float
) -> dict[str, FloatArray]:
    """Regressor of the responses to its (H,) change through given levers; 0 where free. `workload`: response
    of the log of staff utilisation to the log of classes.
    """
    found: dict[str, FloatArray] = {}
    unknown = np.full(len(next(iter(levers.values()), ())), np.nan)
    classes = np.maximum(levers.get("total_classes_held", unknown), _SMALLEST_PRICE)
    more = classes / max(usual("total_classes_held"), _SMALLEST_PRICE)
    if "avg_ticket_price" in levers:
        price = np.maximum(levers["avg_ticket_price"], _SMALLEST_PRICE)
        found["price"] = np.log(price / max(usual("avg_ticket_price"), _SMALLEST_PRICE))
    if "staff_utilization_rate" in levers or "total_classes_held" in levers:
        before = np.full_like(unknown, usual("staff_utilization_rate"))
        given = levers.get("staff_utilization_rate", unknown)
        # Until the studio hires, which the simulation counts with and this does not.
        rate = np.where(np.isfinite(given), given, np.minimum(before * more**workload, 1.0))
        found["overwork"] = burden(rate, comfort.utilization) - burden(before, comfort.utilization)
    if "class_attendance_rate" in levers or "total_classes_held" in levers:
        before = np.full_like(unknown, min(_usual_attendance(usual), 1.0))
        given = levers.get("class_attendance_rate", unknown)
        # At other numbers of classes the same visits are spread over them.
        rate = np.where(np.isfinite(given), given, np.minimum(before / more, 1.0))
        comfortable = comfort.attendance_rate
        found["fullness"] = rate - before
        found["crowding"] = burden(rate, comfortable) - burden(before, comfortable)
    return {name: np.where(np.isfinite(change), change, 0.0) for name, change in found.items()}


def _usual_attendance(usual: Usual) -> float:
    """Attendance rate with every lever free: visits over seats; NaN where unknown."""
    seats = usual("total_classes_held") * usual("class_capacity")
    return usual("visits") * usual("current_member_count") / seats if seats > 0 else math.nan


def response_deviation(
    effects: Effects,
    revenue: FloatArray,
    retention: FloatArray,
    changes: Mapping[str, FloatArray],
    levers: Mapping[str, FloatArray],
) -> FloatArray:
    """(h,) standard deviation of the months' revenue through the responses' standard errors, currency.

    Args:
        revenue: (h,) revenue under the levers, currency.
        retention: (h,) retention under the levers; NaN if the data have none: then nothing responds.
        changes: result of `regressor_changes`, at least h months each.
        levers: lever to at least h given values, NaN where free; a flow that is given doesn't respond.
    """
    shifts = response_shifts(effects, revenue, retention, changes, levers).values()
    return np.sqrt(sum((moved**2 for moved in shifts), np.zeros(len(revenue))))


def response_shifts(
    effects: Effects,
    revenue: FloatArray,
    retention: FloatArray,
    changes: Mapping[str, FloatArray],
    levers: Mapping[str, FloatArray],
) -> dict[tuple[str, str], FloatArray]:
    """Flow and regressor to the (h,) signed change of the months' revenue per standard error of the response,
    currency; arguments as of `response_deviation`.
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
    """Sum over several answers; M calendar months from the first to the last that any of them projects."""

    months: np.ndarray  # (M,) datetime64[M]
    answers: IntArray  # (M,) number of answers that project the month
    studios: int  # number of distinct studios
    revenue: FloatArray  # (M,) mean, currency
    intervals: FloatArray  # (M, 2) lower and upper revenue, currency
    total_interval: tuple[float, float]  # lower and upper sum over all months, currency

    @property
    def total_revenue(self) -> float:
        """Mean over all months, currency: the sum of the answers' totals."""
        return float(self.revenue.sum())


def sum_forecasts(tables: IntervalTables, forecasts: Sequence[Forecast], level: float) -> ForecastSum:
    """Sums answers of one model and computes the intervals of the sum.

    Own errors are independent between studios and the market error is shared, so the interval is narrower
    than the sum of the answers' intervals. Several answers of one studio are all counted and share its
    errors.

    `forecasts`: at least one forecast by that model; `level`: coverage of the intervals, 0 < level < 1.
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
        # As in an answer, intervals contain the mean, and revenue isn't negative.
        intervals=np.stack([np.clip(low, 0.0, revenue), np.maximum(high, revenue)], axis=1),
        total_interval=(min(max(float(total_low), 0.0), total), max(float(total_high), total)),
    )


@dataclass(frozen=True)
class _Aligned:
    """N answers on a common calendar of M months."""

    projected: Projected  # (N, h) revenue and deviations, zeros after an answer's last month
    studios: IntArray  # (N,) studio numbers from 0 on
    starts: IntArray  # (N,) index of an answer's first month in the calendar
    first_month: np.datetime64  # first month of the calendar, datetime64[M]
    revenue: FloatArray  # (M,) sum over the answers, currency
    answers: IntArray  # (M,) number of answers


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
    """(K, M) draws of the effect of inexact execution, independent by lever; (1, 1) zeros without any."""
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
