"""The drift report in sentences."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import numpy as np
import pandas as pd

from studio_pipeline.monitoring.drift_charts import Charts
from studio_pipeline.monitoring.drift_levels import SMALLEST_GROUP
from studio_pipeline.monitoring.drift_series import INPUTS
from studio_pipeline.panel.arrays import StudioPanel


def not_seen(charts: Charts, panel: StudioPanel) -> tuple[str, ...]:
    """What this panel does not let the monitor see, a sentence each."""
    sentences = []
    if panel.n_studios < SMALLEST_GROUP:
        sentences.append(
            f"Fewer than {SMALLEST_GROUP} studios: a change in some of them, or in a response to a lever,"
            " can't be told from chance; only what moves the typical studio is watched."
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
