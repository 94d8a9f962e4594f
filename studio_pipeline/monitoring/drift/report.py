"""Drift report of a panel: statistics over time, alarms, affected studios, and sentences on them.

It is a function of the panel and the forecast errors alone: no state is kept between runs, and the result for
a month does not change when later months arrive. Statistics are computed in `charts`, alarms in `alarms`;
figures are in `figures`.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd

from studio_pipeline.errors import CorruptReleaseError
from studio_pipeline.monitoring.drift.alarms import (
    STUDIO_COLUMNS,
    Alarm,
    alarm_text,
    alarms_of,
    common_size,
    studios_hit,
    unit_of,
)
from studio_pipeline.monitoring.drift.charts import Charts, DriftChart, drift_charts
from studio_pipeline.monitoring.drift.levels import INPUTS, SMALLEST_GROUP
from studio_pipeline.monitoring.thresholds import DriftConfig
from studio_pipeline.panel.arrays import FloatArray, StudioPanel


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
    return [_sentence(row) for row in alarms[alarms["standing"].astype(bool)].to_dict("records")]


def _sentence(row: Mapping[Hashable, object]) -> str:
    size = float(str(row["size"]))
    unit = "points" if row["unit"] == "points" else "%"
    parts = [f"{row['alarm']}: since {_month(row['since'])}"]
    if row["studios"]:
        parts.append(f"{row['studios']} studios")
    if np.isfinite(size):
        parts.append(f"by {100 * size:+.1f} {unit}")
    return ", ".join(parts) + "."


def _month(value: object) -> str:
    return f"{pd.Timestamp(str(value)):%Y-%m}"


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
    """Result of the drift monitor.

    Attributes:
        statistics: columns as `STATISTIC_COLUMNS`; months without a statistic are left out.
        alarms: columns as `ALARM_COLUMNS`, in the order in which they were raised.
        studios: columns as `alarms.STUDIO_COLUMNS`, those of standing alarms alone.
        not_seen: changes that can't be detected in this panel, a sentence each.
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
        """Read what `write` wrote.

        Raises:
            CorruptReleaseError: a file is missing or can't be read.
        """
        try:
            tables = {name: pd.read_parquet(folder / f"{name}.parquet") for name in TABLES}
            unseen = json.loads((folder / "not_seen.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise CorruptReleaseError(
                f"The drift report in {folder} can't be read: {error}.", "Run the pipeline again."
            ) from error
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
    return DriftReport(
        _statistics(charts, panel),
        _typed(pd.DataFrame(rows, columns=list(ALARM_COLUMNS)), ("told", "since", "ended")),
        _typed(
            pd.concat(hit, ignore_index=True) if hit else pd.DataFrame(columns=list(STUDIO_COLUMNS)),
            ("since",),
        ),
        not_seen(charts, panel),
    )


def _statistics(charts: Charts, panel: StudioPanel) -> pd.DataFrame:
    months = panel.months.astype("datetime64[ns]")
    frames = [_chart_rows(chart, months) for chart in charts.charts]
    empty = pd.DataFrame(
        {name: pd.Series([], dtype=float) for name in STATISTIC_COLUMNS}
        | {"month_year": pd.Series([], dtype="datetime64[ns]"), "chart": pd.Series([], dtype=object)}
    )[list(STATISTIC_COLUMNS)]
    frames = [frame for frame in frames if len(frame)]
    return pd.concat(frames, ignore_index=True) if frames else empty


def _chart_rows(chart: DriftChart, months: np.ndarray) -> pd.DataFrame:
    known = np.isfinite(chart.statistic)
    return pd.DataFrame(
        {
            "month_year": months[known],
            "chart": chart.name,
            "statistic": chart.statistic[known],
            "threshold": chart.threshold[known],
            "ratio": chart.statistic[known] / chart.threshold[known],
        }
    )


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


def _typed(frame: pd.DataFrame, dates: tuple[str, ...]) -> pd.DataFrame:
    types = dict.fromkeys(dates, "datetime64[ns]")
    types |= {name: "float64" for name in ("size", "chance") if name in frame}
    types |= {name: "int64" for name in ("studios",) if name in frame}
    types |= {name: "bool" for name in ("standing",) if name in frame}
    return frame.astype(types)
