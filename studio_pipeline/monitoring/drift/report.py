"""Drift report of a panel: statistics over time, alarms, affected studios, and sentences on them.

It is a function of the panel and the forecast errors alone: no state is kept between runs, and the result for
a month does not change when later months arrive.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd

from studio_pipeline.evaluation.report.drawing import INK, MUTED, new_figure, note, plain, title, to_png
from studio_pipeline.monitoring.drift.alarms import (
    STUDIO_COLUMNS,
    Alarm,
    alarm_text,
    alarms_of,
    common_size,
    studios_hit,
    unit_of,
)
from studio_pipeline.monitoring.drift.charts import Charts, drift_charts
from studio_pipeline.monitoring.drift.levels import INPUTS, SMALLEST_GROUP
from studio_pipeline.monitoring.thresholds import DriftConfig
from studio_pipeline.panel.arrays import FloatArray, StudioPanel
from studio_pipeline.panel.frames import stacked_tables


def not_seen(charts: Charts, panel: StudioPanel) -> tuple[str, ...]:
    """Changes that the monitor can't detect in this panel, a sentence each."""
    sentences = []
    if panel.n_studios < SMALLEST_GROUP:
        sentences.append(
            f"Fewer than {SMALLEST_GROUP} studios: a change in some of them can't be distinguished from"
            " chance; only what moves the typical studio is watched."
        )
    absent = [name for name in INPUTS if name not in charts.watched]
    if absent:
        sentences.append(f"Not in the months, so not watched: {', '.join(absent)}.")
    blind = [chart.name for chart in charts.charts if not np.isfinite(chart.statistic).any()]
    if blind and panel.n_studios >= SMALLEST_GROUP:
        sentences.append(f"Too few months yet for: {', '.join(blind)}.")
    elif len(blind) == len(charts.charts):
        sentences.append(f"{panel.n_months} months are too few to know what is usual.")
    return tuple(sentences)


def alarm_sentences(alarms: pd.DataFrame) -> list[str]:
    """A sentence for each alarm that stands."""
    sentences = []
    for row in alarms[alarms["standing"].astype(bool)].to_dict("records"):
        sentence = f"{row['alarm']}: since {row['since']:%Y-%m}"
        if row["studios"]:
            sentence += f", {row['studios']} studios"
        if np.isfinite(row["size"]):
            sentence += f", by {100 * row['size']:+.1f} {'points' if row['unit'] == 'points' else '%'}"
        sentences.append(f"{sentence}.")
    return sentences


SHOWN_MONTHS = 36


def charts_over_time(statistics: pd.DataFrame) -> bytes:
    """PNG: a row a chart, a column a month, the statistic over its threshold as colour; alarms are marked."""
    if statistics.empty:
        return note("No month can be judged yet.")
    table = statistics.pivot(index="chart", columns="month_year", values="ratio")
    table = table.reindex(statistics["chart"].drop_duplicates()).iloc[:, -SHOWN_MONTHS:]
    figure, (ax,) = new_figure(1.2 + 0.2 * len(table))
    image = ax.imshow(table.to_numpy(), aspect="auto", cmap="YlOrRd", vmin=0, vmax=1.2)
    rows, columns = np.nonzero(table.to_numpy() > 1)
    ax.scatter(columns, rows, marker="x", s=12, color=INK, linewidths=0.9)
    ax.set_yticks(range(len(table)), [plain(name) for name in table.index], fontsize=7)
    places = range(0, table.shape[1], 6)
    ax.set_xticks(places, [f"{table.columns[place]:%Y-%m}" for place in places])
    ax.grid(False)
    title(ax, "Statistic over threshold; a cross is above it")
    bar = figure.colorbar(image, ax=ax, shrink=0.6)
    bar.ax.tick_params(labelsize=7, colors=MUTED)
    return to_png(figure)


STATISTIC_COLUMNS: dict[str, str] = {
    "month_year": "The month whose arrival is judged.",
    "chart": "What is watched.",
    "statistic": "Log likelihood ratio of a change within the last months against none.",
    "threshold": "What it exceeds in a year without drift with this chart's part of the chance.",
    "ratio": "Statistic over threshold; above 1 is an alarm.",
}
ALARM_COLUMNS: dict[str, str] = {
    "alarm": "What the alarm is called while it stands.",
    "chart": "The chart that raised it.",
    "told": "Month whose arrival raised it.",
    "since": "Month in which the change most likely began.",
    "ended": "Month in which it ended; empty while the chart is still high.",
    "standing": "Whether it stands: not ended, and no published model knows the months since.",
    "studios": "Studios it points to; 0 where it points to no single ones.",
    "size": "Size of the change (of some studios, their median): points (a share) of a rate, else relative.",
    "unit": "points or relative.",
}
TABLES = ("statistics", "alarms", "studios")


@dataclass(frozen=True)
class DriftReport:
    """Result of the drift monitor; columns are described in `STATISTIC_COLUMNS` and so on.

    Months without a statistic are left out. Alarms are in the order in which they were raised, studios are
    those of standing alarms alone. Sentences in `not_seen` name changes that can't be detected.
    """

    statistics: pd.DataFrame
    alarms: pd.DataFrame
    studios: pd.DataFrame
    not_seen: tuple[str, ...]

    @property
    def alarm(self) -> str:
        """Names of the standing alarms, "" for none; the text is unchanged while the same alarms stand."""
        return "; ".join(sorted(self.alarms.loc[self.alarms["standing"].astype(bool), "alarm"]))

    def write(self, folder: Path) -> None:
        """Write a Parquet file per table, and not_seen.json; the folder is created."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in TABLES:
            getattr(self, name).to_parquet(folder / f"{name}.parquet", index=False)
        (folder / "not_seen.json").write_text(json.dumps(self.not_seen), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read what `write` wrote."""
        tables = {name: pd.read_parquet(folder / f"{name}.parquet") for name in TABLES}
        unseen = json.loads((folder / "not_seen.json").read_text(encoding="utf-8"))
        return cls(**tables, not_seen=tuple(unseen))


def report_drift(
    panel: StudioPanel,
    errors: Mapping[str, FloatArray],
    options: DriftConfig,
    fitted_until: np.datetime64 | None = None,
) -> DriftReport:
    """Test every month of a panel for drift against the months before it.

    Args:
        panel: validated months.
        errors: name to (S, T) log errors of forecasts, by the month that was forecast; may be empty.
        options: the rate of false alarms, and when an alarm ends.
        fitted_until: last month that the published model was fitted on; an alarm raised `recovery_months` or
            more before it no longer stands, as that model was fitted on the changed months. None if nothing
            is published.
    """
    charts = drift_charts(panel, errors, options.false_alarms_per_year)
    alarms = sorted(
        (alarm for chart in charts.charts for alarm in alarms_of(chart, options.recovery_months)),
        key=lambda alarm: alarm.raised,
    )
    known = panel.n_months - 1 if fitted_until is None else panel.column_of(fitted_until)
    standing = [
        alarm.ended < 0 and (fitted_until is None or known - alarm.raised < options.recovery_months)
        for alarm in alarms
    ]
    described = [_describe(alarm, charts, panel) for alarm in alarms]
    hit = [studios for (_, studios), stands in zip(described, standing, strict=True) if stands]
    rows = [row | {"standing": stands} for (row, _), stands in zip(described, standing, strict=True)]
    studios = stacked_tables(hit, dict.fromkeys(STUDIO_COLUMNS, "object"))
    return DriftReport(
        _statistics(charts, panel),
        pd.DataFrame(rows, columns=list(ALARM_COLUMNS)).astype(_ALARM_TYPES),
        studios.astype({"since": "datetime64[ns]", "size": "float64", "chance": "float64"}),
        not_seen(charts, panel),
    )


_ALARM_TYPES = {
    **dict.fromkeys(("told", "since", "ended"), "datetime64[ns]"),
    "size": "float64",
    "studios": "int64",
    "standing": "bool",
}


def _statistics(charts: Charts, panel: StudioPanel) -> pd.DataFrame:
    months = panel.months.astype("datetime64[ns]")
    types = dict.fromkeys(STATISTIC_COLUMNS, "float64") | {"month_year": "datetime64[ns]", "chart": "object"}
    frames = []
    for chart in charts.charts:
        known = np.isfinite(chart.statistic)
        statistic, threshold = chart.statistic[known], chart.threshold[known]
        values = (months[known], chart.name, statistic, threshold, statistic / threshold)
        frames.append(pd.DataFrame(dict(zip(STATISTIC_COLUMNS, values, strict=True))))
    return stacked_tables(frames, types)


def _describe(alarm: Alarm, charts: Charts, panel: StudioPanel) -> tuple[dict[str, object], pd.DataFrame]:
    until = panel.n_months - 1 if alarm.ended < 0 else alarm.raised
    text = alarm_text(alarm, charts.group_names, panel.months)
    studios = studios_hit(alarm, charts, panel, until).assign(alarm=text)
    size = float(studios["size"].median()) if len(studios) else common_size(alarm, charts, until)
    months = panel.months.astype("datetime64[ns]")
    row: dict[str, object] = {
        "alarm": text,
        "chart": alarm.chart.name,
        "told": months[alarm.raised],
        "since": months[alarm.since],
        "ended": months[alarm.ended] if alarm.ended >= 0 else pd.NaT,
        "studios": len(studios),
        "size": size,
        "unit": unit_of(alarm),
    }
    return row, studios
