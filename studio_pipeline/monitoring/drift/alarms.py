"""Drift alarms of a chart, with the estimated size of the change and the studios affected.

An alarm is raised in the first month in which its chart exceeds its threshold, and stands until the chart has
been below it for `recovery_months` in a row. Its name is fixed when it is raised. Tables of alarms are built
in `report`; the automation acts on them in `automation.sensors`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from studio_pipeline.monitoring.drift.charts import (
    ALL,
    SCATTER,
    SOME,
    Charts,
    DriftChart,
    Watched,
    group_month_paths,
)
from studio_pipeline.monitoring.drift.levels import RATES, in_units
from studio_pipeline.monitoring.drift.statistics import affected_chance
from studio_pipeline.panel.arrays import FloatArray, StudioPanel, ratio
from studio_pipeline.panel.frames import empty_table


@dataclass(frozen=True)
class Alarm:
    """One alarm of a chart; months are columns of the panel."""

    chart: DriftChart
    raised: int  # the month whose arrival raised it
    since: int  # the month in which the change most likely began, estimated in `raised`
    direction: int  # 1 for a rise, -1 for a fall, estimated in `raised`
    where: int  # index of the group affected, -1 for no single one
    ended: int  # the month in which it ended, -1 while it stands


def alarms_of(chart: DriftChart, recovery_months: int) -> list[Alarm]:
    """The alarms of a chart, in order; at most the last of them stands."""
    exceeds = np.nan_to_num(chart.statistic) > np.nan_to_num(chart.threshold, nan=np.inf)
    alarms: list[Alarm] = []
    raised, quiet = -1, 0
    for month, is_high in enumerate(exceeds):
        if is_high:
            raised, quiet = (month if raised < 0 else raised), 0
        elif raised >= 0:
            quiet += 1
            if quiet == recovery_months:
                alarms.append(_alarm(chart, raised, month))
                raised = -1
    return [*alarms, _alarm(chart, raised, -1)] if raised >= 0 else alarms


def _alarm(chart: DriftChart, raised: int, ended: int) -> Alarm:
    since, direction, where = (int(a[raised]) for a in (chart.since, chart.direction, chart.where))
    return Alarm(chart, raised, since, direction, where, ended)


def alarm_text(alarm: Alarm, group_names: tuple[str, ...], months: np.ndarray) -> str:
    """Name of an alarm, unchanged while it stands: "retention_rate fell in some studios (2024-03)"."""
    chart, moved = alarm.chart, "rose" if alarm.direction > 0 else "fell"
    text = f"{chart.series} {moved} in some studios"
    if chart.kind == SCATTER:
        text = f"the scatter of {chart.series} {'grew' if alarm.direction > 0 else 'shrank'}"
    elif chart.kind == ALL:
        group = f"studios of type {group_names[alarm.where]}" if alarm.where >= 0 else "all studios"
        text = f"{chart.series} {moved} in {group}"
    return f"{text} ({months[alarm.raised]})"


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
    """`points` for the level of a rate, else `relative`."""
    is_rate = alarm.chart.series in RATES and alarm.chart.kind in (SOME, ALL)
    return "points" if is_rate else "relative"


def studios_hit(alarm: Alarm, charts: Charts, panel: StudioPanel, until: int) -> pd.DataFrame:
    """Studios affected by an alarm on some studios, most probable first; columns as `STUDIO_COLUMNS`."""
    if alarm.chart.kind != SOME:
        return empty_table(dict.fromkeys(STUDIO_COLUMNS, object))
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

    With an exponentially smoothed level of weight `a`, (1 - a)^j of a step remains in the j-th surprise.
    """
    own = series.surprises.own[:, months]
    left = np.concatenate([[1.0], np.cumprod(1 - series.surprises.smoothing[months][:-1])])
    known = np.isfinite(own)
    weights = np.where(known, left, 0.0)
    power = (weights**2).sum(1)
    cross = np.where(known, own, 0.0) * weights
    values = series.values[:, months]
    level = ratio(np.nansum(values, axis=1), np.isfinite(values).sum(1))
    return in_units(series.name, ratio(cross.sum(1), power), level)


def common_size(alarm: Alarm, charts: Charts, until: int) -> float:
    """Size of a change of the common path or the scatter, relative or in points; NaN if unknown.

    A path is compared with the same months a year before.
    """
    series = charts.watched[alarm.chart.series]
    since, end = alarm.since, min(until, alarm.since + LONGEST_MONTHS - 1) + 1
    if alarm.chart.kind != ALL:
        sizes = np.abs(series.scores)
        return float(np.nanmean(sizes[:, since:end]) / np.nanmean(sizes[:, :since]) - 1)
    if since < LONGEST_MONTHS:
        return float("nan")
    path = group_month_paths(series.surprises)[alarm.where + 1]
    change = float(np.nanmean(path[since:end] - path[since - LONGEST_MONTHS : end - LONGEST_MONTHS]))
    level = float(np.nanmedian(series.values[:, since:end]))
    return float(in_units(series.name, np.asarray(change), np.asarray(level)))
