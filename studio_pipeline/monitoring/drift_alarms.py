"""From statistics to alarms: when one is told, how long it stands, and when it has ended.

An alarm is told in the first month in which its chart exceeds its threshold, and stands until the chart has
been below it for `recovery_months` in a row. What it is called is fixed when it is told.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from studio_pipeline.monitoring.drift_charts import ALL, RESPONSE, SCATTER, Chart


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

    chart: Chart
    told: int
    since: int
    direction: int
    where: int
    ended: int


def alarms_of(chart: Chart, recovery_months: int) -> list[Alarm]:
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


def _alarm(chart: Chart, told: int, ended: int) -> Alarm:
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
