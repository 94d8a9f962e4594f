"""Control charts of the drift monitor: a change statistic per month and its threshold.

Splits the allowed chance of a false alarm over all charts of a panel. Series and surprises come from
`levels`, scores from `scores`, thresholds from `statistics`; alarms are derived in `alarms`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from studio_pipeline.monitoring.drift.levels import (
    SMALLEST_GROUP,
    Surprises,
    group_studios,
    surprises,
    watched_inputs,
)
from studio_pipeline.monitoring.drift.scores import common_scores, own_scores
from studio_pipeline.monitoring.drift.statistics import (
    WINDOWS,
    mixture,
    mixture_threshold,
    past_variance,
    path_threshold,
    tamed,
    window_sums,
)
from studio_pipeline.panel.arrays import FloatArray, IntArray, StudioPanel, ratio

ALL, SOME, SCATTER = "all", "some", "scatter"
"""Kinds of charts: all studios or all of a type; some studios; scatter of all."""
CAUTION = 0.5
"""Part of the allowed chance that is used: real scores are not exactly normal or independent."""
LARGE_GROUP = 20
"""Fewest studios for a chart of a type's median; with fewer, single price rounds would shift it."""


@dataclass(frozen=True)
class Watched:
    """A series of inputs or forecast errors, (S, T), with its surprises and scores."""

    name: str
    values: FloatArray
    surprises: Surprises
    scores: FloatArray


@dataclass(frozen=True)
class DriftChart:
    """One statistic over T months; a log likelihood ratio."""

    kind: str  # see `ALL`, `SOME`, `SCATTER`
    series: str
    statistic: FloatArray  # (T,) NaN where the months before don't suffice
    threshold: FloatArray  # (T,) exceeded within a year without drift with the chart's share of the chance
    direction: IntArray  # (T,) 1 for a rise, -1 for a fall
    since: IntArray  # (T,) column in which the change most likely began
    where: IntArray  # (T,) index of the group affected, -1 for no single one

    @property
    def name(self) -> str:
        """Unique among a report's charts."""
        return f"{self.series}: {self.kind}"


@dataclass(frozen=True)
class Charts:
    """All charts of a panel, and the series behind them."""

    charts: tuple[DriftChart, ...]
    watched: Mapping[str, Watched]
    group_names: tuple[str, ...]


def drift_charts(panel: StudioPanel, errors: Mapping[str, FloatArray], false_alarms: float) -> Charts:
    """Compute every chart that the panel and (S, T) log errors of forecasts, by month, have data for.

    Each gets the same part of `false_alarms`, the chance of any alarm in a year without drift.
    """
    groups, names = group_studios(panel.studio_types)
    inputs = watched_inputs(panel)
    missed = {name: values for name, values in errors.items() if np.isfinite(values).any()}
    watched = {}
    for name, values in {**inputs, **missed}.items():
        expected = surprises(values, groups)
        scores = own_scores(expected.own, expected.group_moves())
        watched[name] = Watched(name, values, expected, scores)
    chance = CAUTION * false_alarms / max(2 * len(inputs) + 3 * len(missed), 1)
    charts = []
    for name, series in watched.items():
        calendar_months = panel.calendar_months if name in inputs else None
        paths = group_month_paths(series.surprises)
        scores = np.stack([common_scores(path, calendar_months) for path in paths])
        charts.append(_path_chart(ALL, name, scores, chance))
    charts += [_some_chart(series, chance) for series in watched.values()]
    for name in missed:
        known = np.isfinite(watched[name].scores)
        count = known.sum(0)
        total = np.where(known, np.abs(watched[name].scores), 0.0).sum(0)
        mean = np.where(count >= SMALLEST_GROUP, ratio(total, count), np.nan)
        charts.append(_path_chart(SCATTER, name, common_scores(np.log(mean), None)[None], chance))
    return Charts(tuple(charts), watched, tuple(names))


def group_month_paths(expected: Surprises) -> FloatArray:
    """(P, T) month of all studios, then each large group's month less that; NaN for smaller groups."""
    counts = np.where(np.isfinite(expected.group_paths), expected.group_counts, 0.0)
    total = counts.sum(0)
    weighted = np.nansum(np.where(counts > 0, expected.group_paths, 0.0) * counts, axis=0)
    everyone = ratio(weighted, total)
    if len(counts) == 1:
        return everyone[None]
    relative = np.where(counts >= LARGE_GROUP, expected.group_paths - everyone, np.nan)
    return np.concatenate([everyone[None], relative])


def _path_chart(kind: str, series: str, scores: FloatArray, chance: float) -> DriftChart:
    """The chart of the largest standardised sum of the scores of P paths, (P, T)."""
    sums = window_sums(scores)
    ratios = np.where(np.isfinite(sums), sums**2 / 2, -1.0)
    window, path = _largest(np.moveaxis(ratios, 2, 0))
    months = np.arange(sums.shape[2])
    best = ratios[window, path, months]
    n_paths = max(int(np.isfinite(sums).any(axis=(0, 2)).sum()), 1)
    return DriftChart(
        kind,
        series,
        statistic=np.where(best >= 0, best, np.nan),
        threshold=np.full(len(months), path_threshold(n_paths, chance)),
        direction=np.where(sums[window, path, months] < 0, -1, 1),
        since=np.maximum(months - np.asarray(WINDOWS)[window] + 1, 0),
        where=path - 1,
    )


def _some_chart(series: Watched, chance: float) -> DriftChart:
    sums = window_sums(series.scores)
    # Divided by their past standard deviation where that exceeds 1.
    sums = sums / np.sqrt(past_variance(sums))[:, None, :]
    count = np.isfinite(series.scores).sum(0)
    ratios = tamed(mixture(sums), count)
    side, window = _largest(np.moveaxis(ratios, 2, 0))
    months = np.arange(series.scores.shape[1])
    enough = count >= SMALLEST_GROUP
    thresholds = {n: mixture_threshold(int(n), chance) for n in np.unique(count[enough])}
    return DriftChart(
        SOME,
        series.name,
        statistic=np.where(enough, ratios[side, window, months], np.nan),
        threshold=np.array([thresholds.get(n, np.nan) for n in count]),
        direction=np.where(side == 0, 1, -1),
        since=np.maximum(months - np.asarray(WINDOWS)[window] + 1, 0),
        where=np.full(len(months), -1),
    )


def _largest(ratios: FloatArray) -> tuple[IntArray, IntArray]:
    """Row and column of the largest entry of each (T, A, B) table."""
    flat = ratios.reshape(len(ratios), -1).argmax(1)
    row, column = np.divmod(flat, ratios.shape[2])
    return row.astype(np.int64), column.astype(np.int64)
