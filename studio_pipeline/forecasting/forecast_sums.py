"""The sum over many answers, month by month of the calendar, with the intervals of their joint draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from studio_pipeline.forecasting.intervals import IntervalTables
from studio_pipeline.forecasting.joint_paths import (
    Projected,
    calendar_sum_paths,
    central_interval,
    independent_draws,
)
from studio_pipeline.forecasting.queries import Deviations, Forecast
from studio_pipeline.panel.arrays import FloatArray, IntArray


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
