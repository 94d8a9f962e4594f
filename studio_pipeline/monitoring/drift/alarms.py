"""Alarms from the statistics, and the size of the change with the studios it hit.

An alarm is told in the first month in which its chart exceeds its threshold, and stands until the chart has
been below it for `recovery_months` in a row. What it is called is fixed when it is told.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from studio_pipeline.monitoring.drift.charts import (
    ALL,
    RESPONSE,
    SCATTER,
    SOME,
    Charts,
    DriftChart,
    Watched,
    group_month_paths,
    response_slopes,
)
from studio_pipeline.monitoring.drift.levels import RATES, in_units
from studio_pipeline.monitoring.drift.statistics import affected_chance
from studio_pipeline.panel.arrays import FloatArray, StudioPanel


@dataclass(frozen=True)
class Alarm:
    """One alarm; months are columns of the panel.

    Attributes:
        chart: the chart that raised it.
        told: the month whose arrival raised it.
        since: the month in which the change most likely began, as seen in `told`.
        direction: 1 for a rise, -1 for a fall, as seen in `told`.
        where: group hit, -1 for no single one.
        ended: the month in which it ended, -1 while it stands.
    """

    chart: DriftChart
    told: int
    since: int
    direction: int
    where: int
    ended: int


def alarms_of(chart: DriftChart, recovery_months: int) -> list[Alarm]:
    """The alarms of a chart, in order; at most the last of them stands."""
    exceeds = np.nan_to_num(chart.statistic) > np.nan_to_num(chart.threshold, nan=np.inf)
    alarms: list[Alarm] = []
    told, quiet = -1, 0
    for month, is_high in enumerate(exceeds):
        if is_high:
            told, quiet = (month if told < 0 else told), 0
        elif told >= 0:
            quiet += 1
            if quiet == recovery_months:
                alarms.append(_alarm(chart, told, month))
                told = -1
    return [*alarms, _alarm(chart, told, -1)] if told >= 0 else alarms


def _alarm(chart: DriftChart, told: int, ended: int) -> Alarm:
    return Alarm(
        chart,
        told,
        int(chart.since[told]),
        int(chart.direction[told]),
        int(chart.where[told]),
        ended,
    )


def alarm_text(alarm: Alarm, group_names: tuple[str, ...], months: np.ndarray) -> str:
    """A name that stays the same while the alarm goes on: "retention_rate fell in some studios (2024-03)"."""
    return f"{_what(alarm, group_names)} ({months[alarm.told]})"


def _what(alarm: Alarm, group_names: tuple[str, ...]) -> str:
    chart = alarm.chart
    moved = "rose" if alarm.direction > 0 else "fell"
    if chart.kind == RESPONSE:
        return f"the response of {chart.series} to {chart.lever} {'rose' if alarm.direction > 0 else 'fell'}"
    if chart.kind == SCATTER:
        return f"the scatter of {chart.series} {'grew' if alarm.direction > 0 else 'shrank'}"
    if chart.kind == ALL:
        group = f"studios of type {group_names[alarm.where]}" if alarm.where >= 0 else "all studios"
        return f"{chart.series} {moved} in {group}"
    return f"{chart.series} {moved} in some studios"


STUDIO_COLUMNS: dict[str, str] = {
    "alarm": "The alarm that points to the studio.",
    "studio_id": "The studio.",
    "studio_type": "Its type.",
    "chance": "Chance that the change hit it, 0.5 to 1.",
    "size": "Size of the change: points (a share) of a rate, else relative to what was expected.",
    "unit": "points or relative.",
    "since": "Month in which the change most likely began.",
}
LONGEST_MONTHS = 12


def unit_of(alarm: Alarm) -> str:
    """Points of a rate where single studios are hit, else relative."""
    is_rate = alarm.chart.series in RATES and alarm.chart.kind in (SOME, ALL)
    return "points" if is_rate else "relative"


def studios_hit(alarm: Alarm, charts: Charts, panel: StudioPanel, until: int) -> pd.DataFrame:
    """Studios that an alarm about some of them points to, the surest first, as `STUDIO_COLUMNS`."""
    if alarm.chart.kind != SOME:
        return pd.DataFrame({name: pd.Series([], dtype=object) for name in STUDIO_COLUMNS})
    series = charts.watched[alarm.chart.series]
    months = slice(alarm.since, min(until, alarm.since + LONGEST_MONTHS - 1) + 1)
    scores = series.scores[:, months]
    counts = np.isfinite(scores).sum(1)
    sums = alarm.direction * np.nansum(scores, axis=1) / np.sqrt(np.maximum(counts, 1))
    chances = affected_chance(sums)
    order = np.argsort(-sums, kind="stable")
    rows = order[chances[order] > 0.5]
    return pd.DataFrame(
        {
            "alarm": "",
            "studio_id": panel.studio_ids[rows].astype(object),
            "studio_type": panel.studio_types[rows].astype(object),
            "chance": chances[rows],
            "size": _steps(series, months)[rows],
            "unit": unit_of(alarm),
            "since": panel.months[alarm.since].astype("datetime64[ns]"),
        }
    )


def _steps(series: Watched, months: slice) -> FloatArray:
    """(S,) least-squares size of a step at the first of these months, in the series' unit.

    A level that follows by the share `a` a month leaves (1 - a)^j of a step in the j-th surprise after it.
    """
    own = series.surprises.own[:, months]
    left = np.concatenate([[1.0], np.cumprod(1 - series.surprises.smoothing[months][:-1])])
    known = np.isfinite(own)
    weights = np.where(known, left, 0.0)
    power = (weights**2).sum(1)
    cross = np.where(known, own, 0.0) * weights
    step = np.divide(cross.sum(1), power, out=np.full(len(own), np.nan), where=power > 0)
    values = series.values[:, months]
    count = np.isfinite(values).sum(1)
    level = np.divide(np.nansum(values, axis=1), count, out=np.full(len(own), np.nan), where=count > 0)
    return in_units(series.name, step, level)


def common_size(alarm: Alarm, charts: Charts, until: int) -> float:
    """Size of a change that is no single studio's: of the path, the scatter or the response; NaN if unknown.

    A path is held against the same months a year before, a response against its slope in all months before.
    """
    series = charts.watched[alarm.chart.series]
    since, end = alarm.since, min(until, alarm.since + LONGEST_MONTHS - 1) + 1
    if alarm.chart.kind == RESPONSE:
        slopes = response_slopes(charts.watched[alarm.chart.lever], series)
        before, after = slopes.slope(0, since), slopes.slope(since, until + 1)
        return after / before - 1 if before else float("nan")
    if alarm.chart.kind == ALL:
        return _path_size(series, alarm, since, end)
    spread = np.nanmean(np.abs(series.scores[:, since:end])), np.nanmean(np.abs(series.scores[:, :since]))
    return float(spread[0] / spread[1] - 1)


def _path_size(series: Watched, alarm: Alarm, since: int, end: int) -> float:
    path = group_month_paths(series.surprises)[alarm.where + 1]
    if since < LONGEST_MONTHS:
        return float("nan")
    change = float(np.nanmean(path[since:end] - path[since - LONGEST_MONTHS : end - LONGEST_MONTHS]))
    level = float(np.nanmedian(series.values[:, since:end]))
    return float(in_units(series.name, np.asarray(change), np.asarray(level)))
