"""Seasonal factors of a flow by studio type: departures from a centred year, shrunk towards the panel's.

A shock that all studios have in a single year belongs to the market, not to the season: it is identified by
the median over years and removed first. Own seasons of single studios are estimated in `kalman_filter`.
"""

from __future__ import annotations

import numpy as np

from studio_pipeline.panel.arrays import BoolArray, FloatArray, IntArray

_HALF_WINDOW = 6
_FEWEST_IN_WINDOW = 10
_FEWEST_SHARING = 8
_FEWEST_YEARS = 3
_EXTRAORDINARY = 6.0


def type_seasons(
    values: FloatArray,
    weights: FloatArray,
    types: IntArray,
    n_types: int,
    calendar_months: IntArray,
    shrinkage_years: float,
) -> FloatArray:
    """(n_types, 12) seasonal factors on the flow's scale with mean 0 in each row, from (S, T) values; zeros
    if less than a year and a half is known.

    Args:
        weights: (S, T) non-negative precision of each value.
        shrinkage_years: studio-years at which a type's own factor and the panel's have equal weight.
    """
    departures = values - centred_year(values)
    weights = np.where(np.isfinite(departures), weights, 0.0)
    departures = np.where(np.isfinite(departures), departures, 0.0)
    weights = np.where(_extraordinary(departures, weights), 0.0, weights)
    departures = np.where(weights > 0, departures - _market(departures, weights, calendar_months), 0.0)
    totals, sums = np.zeros((n_types, 12)), np.zeros((n_types, 12))
    for month in range(12):
        here = calendar_months == month
        sums[:, month] = np.bincount(types, (weights * departures)[:, here].sum(1), n_types)
        totals[:, month] = np.bincount(types, weights[:, here].sum(1), n_types)
    typical = totals.sum() / max(np.count_nonzero(weights), 1)
    shrinkage = shrinkage_years * typical
    panel = sums.sum(0) / np.maximum(totals.sum(0) + shrinkage, 1e-12)
    factors = (sums + shrinkage * panel) / np.maximum(totals + shrinkage, 1e-12)
    return np.asarray(factors - factors.mean(1, keepdims=True))


def _extraordinary(departures: FloatArray, weights: FloatArray) -> BoolArray:
    """(S, T) mask of departures many times the typical one, such as closures, which are not seasonal."""
    counted = weights > 0
    if not counted.any():
        return np.zeros(departures.shape, dtype=bool)
    size = np.abs(departures)
    return np.asarray(size > _EXTRAORDINARY * np.median(size[counted]))


def _market(departures: FloatArray, weights: FloatArray, calendar_months: IntArray) -> FloatArray:
    """(T,) mean departure of all studios less its median over the years of that calendar month; 0 where too
    few studios have the month or too few years are known.
    """
    mean = (weights * departures).sum(0) / np.maximum(weights.sum(0), 1e-12)
    shared = (weights > 0).sum(0) >= _FEWEST_SHARING
    market = np.zeros(len(mean))
    for month in range(12):
        here = shared & (calendar_months == month)
        if here.sum() >= _FEWEST_YEARS:
            market[here] = mean[here] - np.median(mean[here])
    return market


def centred_year(values: FloatArray) -> FloatArray:
    """(S, T) centred 2x12-month mean; NaN where fewer than ten of its thirteen months are known."""
    n_studios, n_months = values.shape
    taps = np.full(2 * _HALF_WINDOW + 1, 1.0)
    taps[[0, -1]] = 0.5
    padded = np.full((n_studios, n_months + 2 * _HALF_WINDOW), np.nan)
    padded[:, _HALF_WINDOW : _HALF_WINDOW + n_months] = values
    windows = np.lib.stride_tricks.sliding_window_view(padded, len(taps), axis=1)
    seen = np.isfinite(windows)
    total = (np.where(seen, windows, 0.0) * taps).sum(-1)
    weight = (seen * taps).sum(-1)
    return np.where(seen.sum(-1) >= _FEWEST_IN_WINDOW, total / np.maximum(weight, 1e-12), np.nan)
