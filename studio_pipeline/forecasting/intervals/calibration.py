"""Conformal calibration of the intervals on out-of-fold residuals.

Log residuals are split into a market error that all studios share (`market_factor`) and each studio's own
error. Own errors are divided by a scale of the studio and horizon (`error_scales`) and keep their weighted
empirical quantiles, recent origins weighing more; the market error has a covariance over the months ahead.
The result is an `IntervalTables`; the effect of given levers on it is fitted in `lever_share_fitting`.
Source: split conformal prediction, Lei et al. (2018), its quantile at (1 + 1/n) x level; weighted quantiles
under drift, Barber et al. (2023).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from studio_pipeline.forecasting.backtest.short_history import YoungStudios
from studio_pipeline.forecasting.base.hyperparameters import IntervalHyperparameters
from studio_pipeline.forecasting.intervals.error_scales import (
    ScaleModel,
    fit_scales,
    scale_signs,
    typical_change,
)
from studio_pipeline.forecasting.intervals.interval_tables import IntervalTables
from studio_pipeline.forecasting.intervals.joint_simulation import common_paths, own_paths
from studio_pipeline.forecasting.intervals.lever_variance_shares import no_shares
from studio_pipeline.forecasting.intervals.market_factor import common_covariance, split_common
from studio_pipeline.panel.arrays import FloatArray, IntArray

GRID = np.concatenate([[0.0005, 0.001, 0.0025], np.linspace(0.005, 0.995, 199), [0.9975, 0.999, 0.9995]])
_FEWEST_RESIDUALS = 40
_LARGEST_DEVIATIONS = 4.0
_DEFAULT_DEVIATIONS = 1.5


@dataclass(frozen=True)
class Calibration:
    """Interval tables with the intermediate results that the fit of lever shares needs."""

    tables: IntervalTables  # of the intervals
    own_deviation: FloatArray  # (N, H) standard deviation of the studios' own log errors at the origins
    weights: FloatArray  # (N,) weights of the origins


def fit_intervals(
    forecast: FloatArray,
    actual: FloatArray,
    windows: Mapping[str, FloatArray],
    months: IntArray,
    hyperparameters: IntervalHyperparameters,
    young: YoungStudios,
) -> Calibration:
    """Fits interval tables to N out-of-fold forecasts of H months.

    Args:
        actual: (N, H) actual revenue, NaN where not known.
        windows: column to (N, WINDOW_MONTHS) months up to the origins.
        months: (N,) the origins' calendar months, as distinct integers.
    """
    month, total = log_errors(actual, forecast), log_errors(actual.cumsum(1), forecast.cumsum(1))
    weights = np.asarray(0.5 ** ((months.max(initial=0) - months) / hyperparameters.half_life_months))
    split = split_common(month, months)
    own, own_total = split.own, split_common(total, months).own
    covariance = common_covariance(split, hyperparameters)
    typical = typical_change(windows)
    signs = scale_signs(windows, typical, hyperparameters.own_scale_months)
    scales = fit_scales(own, signs, weights, typical, hyperparameters.own_scale_months)
    scales, table, scaled = _levelled(scales, own, signs, weights)
    tables = IntervalTables(
        levels=GRID,
        month=table,
        total=_total_table(own_total, scales, signs, weights, covariance, table),
        scales=scales,
        common=covariance,
        young=young,
        levers=no_shares(forecast.shape[1]),
        own_paths=own_paths(scaled, weights, GRID, table),
        common_paths=common_paths(covariance),
    )
    return Calibration(tables, scales.from_signs(signs), weights)


def log_errors(actual: FloatArray, forecast: FloatArray) -> FloatArray:
    """(N, H) log of actual over forecast, NaN where not known."""
    with np.errstate(divide="ignore", invalid="ignore"):
        errors = np.log(np.maximum(actual, 0.01 * forecast) / forecast)
    return np.where(np.isfinite(errors), errors, np.nan)


def _levelled(
    scales: ScaleModel, own: FloatArray, signs: FloatArray, weights: FloatArray
) -> tuple[ScaleModel, FloatArray, FloatArray]:
    """Scales with levels that give the scaled residuals unit deviation, the (H, Q) quantiles of the latter,
    and the scaled residuals; a horizon with few residuals takes the next shorter one's quantiles, widened.
    """
    scaled = own / scales.from_signs(signs) if len(own) else own
    level = np.zeros(own.shape[1])
    table = np.zeros((own.shape[1], len(GRID)))
    for h in range(own.shape[1]):
        known = np.isfinite(scaled[:, h])
        if known.sum() >= _FEWEST_RESIDUALS:
            values, share = scaled[known, h], weights[known]
            deviation = _deviation(values, share)
            level[h] = np.log(deviation)
            table[h] = _quantiles(values / deviation, share)
        elif h:
            level[h], table[h] = level[h - 1] + 0.5 * np.log((h + 1) / h), table[h - 1]
        else:
            level[h], table[h] = np.log(_DEFAULT_DEVIATIONS * scales.typical_change), _heavy_quantiles()
    levelled = replace(scales, level=level)
    return levelled, table, scaled / np.exp(level)


def _total_table(
    own_total: FloatArray,
    scales: ScaleModel,
    signs: FloatArray,
    weights: FloatArray,
    covariance: FloatArray,
    month_table: FloatArray,
) -> FloatArray:
    """(H, Q) quantiles of the sum over the first h months, over the mean deviation of those months.

    The correlation of own errors over the months is that of the residuals, the correlation of the market
    error that of its covariance. Both are combined for a typical studio; its ratio of the sum's deviation to
    the mean deviation of the months scales the quantiles.
    """
    n_horizons = own_total.shape[1]
    typical = np.exp(scales.level)
    months = np.arange(1, n_horizons + 1)
    mean_own = np.cumsum(typical) / months
    both = np.cumsum(np.sqrt(typical**2 + np.diag(covariance))) / months
    common = np.array([covariance[:h, :h].sum() for h in months]) / months**2
    spans = np.cumsum(scales.from_signs(signs), 1) / months if len(signs) else own_total
    table = np.zeros_like(month_table)
    ratio = 1.0
    for h in range(n_horizons):
        scaled = own_total[:, h] / spans[:, h]
        known = np.isfinite(scaled)
        table[h] = table[h - 1] if h else month_table[0]
        if known.sum() >= _FEWEST_RESIDUALS:
            ratio = _deviation(scaled[known], weights[known])
            table[h] = _quantiles(scaled[known] / ratio, weights[known])
        table[h] *= np.sqrt((ratio * mean_own[h]) ** 2 + common[h]) / both[h]
    return table


def _deviation(values: FloatArray, weights: FloatArray) -> float:
    """Weighted root mean square; values beyond four robust deviations are clipped."""
    size = np.abs(values)
    reach = _LARGEST_DEVIATIONS * max(
        float(weighted_quantile(size, weights, np.array([0.5]))[0]) / 0.6745, 1e-9
    )
    cut = np.minimum(size, reach)
    return float(np.sqrt((weights * cut**2).sum() / weights.sum()))


def _quantiles(values: FloatArray, weights: FloatArray) -> FloatArray:
    outward = np.clip(0.5 + (GRID - 0.5) * (1 + 1 / len(values)), 0, 1)
    return weighted_quantile(values, weights, outward)


def weighted_quantile(values: FloatArray, weights: FloatArray, levels: FloatArray) -> FloatArray:
    """(Q,) weighted quantiles of (N,) values at (Q,) levels, 0..1."""
    order = np.argsort(values, kind="stable")
    share = weights[order]
    middle = (np.cumsum(share) - 0.5 * share) / share.sum()
    return np.asarray(np.interp(levels, middle, values[order]))


def _heavy_quantiles() -> FloatArray:
    """Quantiles of the logistic distribution with unit variance: near normal, with a heavier tail."""
    return np.asarray(np.log(GRID / (1 - GRID)) * np.sqrt(3) / np.pi)
