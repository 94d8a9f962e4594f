"""What the monitoring assets show in the web UI: numbers over time, tables and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from studio_pipeline.assets.results import numbers, picture, rows_metadata, sentences
from studio_pipeline.monitoring import accuracy_misses, accuracy_roles, accuracy_sums
from studio_pipeline.monitoring.accuracy_figures import live_error, miss_parts, watch_course
from studio_pipeline.monitoring.accuracy_tables import WHO, coverage_table, error_table
from studio_pipeline.monitoring.accuracy_update import Update
from studio_pipeline.monitoring.accuracy_watch import Watch

_WATCH_COLUMNS = {
    "month_year": "A month that has arrived.",
    "horizon": "How many months ahead the forecasts that count were made.",
    "n": "Studios that were forecast.",
    "ratio": "Live over promised WAPE.",
    "coverage": "Share of 90 % intervals that held.",
    "error_sum": "What has added up of the error above the promise, over what makes an alarm.",
    "coverage_sum": "The same of intervals that hold too rarely.",
}


def accuracy_metadata(update: Update, verdict: Watch, lost: Sequence[str]) -> dict[str, Any]:
    """Of `forecast_accuracy`.

    Args:
        update: of this run.
        verdict: of the watch.
        lost: sentences on earlier records that can't be used.
    """
    record, words = update.record, accuracy_sums.DESCRIPTIONS
    champion = _champion(record.errors)
    by_horizon = error_table(champion, ["source", "horizon"])
    newest_first = error_table(record.errors, [*WHO, "base_month", "made_month", "horizon"]).iloc[::-1]
    misses = record.misses.sort_values(["month_year", "scenario_id"], ascending=[False, True])
    return {
        "dagster/row_count": len(record.forecasts),
        "in_words": sentences([*verdict.words, *lost, *update.warnings]),
        "alarm": verdict.alarm,
        **numbers({"logged_answers_read": update.n_answers, "forecasts_left_out_as_late": update.n_late}),
        **_numbers(record.errors, record.coverage, verdict),
        "errors": rows_metadata(error_table(record.errors), words),
        "errors_by_vintage": rows_metadata(newest_first, words),
        "coverage": rows_metadata(coverage_table(record.coverage), words),
        "champion_against_challenger": rows_metadata(record.roles, accuracy_roles.DESCRIPTIONS),
        "scenario_misses": rows_metadata(misses, accuracy_misses.DESCRIPTIONS),
        "watched_months": rows_metadata(verdict.months.iloc[::-1], _WATCH_COLUMNS),
        **picture("live_error", live_error(by_horizon)),
        **picture("watch", watch_course(verdict.months)),
        **picture("scenario_misses_figure", miss_parts(misses)),
    }


def _champion(cells: pd.DataFrame) -> pd.DataFrame:
    return cells[(cells["kind"] == "free") & (cells["role"] == "champion")]


def _numbers(errors: pd.DataFrame, coverage: pd.DataFrame, verdict: Watch) -> dict[str, float]:
    """Of the newest month that has arrived, plotted over time."""
    found: dict[str, float] = {"forecasts_judged": float(errors["n"].sum())}
    for table, name, figure in (
        (errors, "live_wape", error_table),
        (coverage, "live_coverage", coverage_table),
    ):
        own = _champion(table)
        own = own[own["month_year"] == own["month_year"].max()]
        column = "wape" if name == "live_wape" else "coverage"
        by = ["source"] if name == "live_wape" else ["source", "level"]
        for line in figure(own, by).to_dict(orient="records"):
            level = f"_{100 * line['level']:g}" if "level" in line else ""
            found[f"{name}{level}_{line['source']}"] = float(line[column])
    if len(verdict.months):
        last = verdict.months.iloc[-1]
        found |= {"error_over_promise": last["ratio"], "error_sum": last["error_sum"]}
        found |= {"coverage_sum": last["coverage_sum"]}
    return numbers(found)
