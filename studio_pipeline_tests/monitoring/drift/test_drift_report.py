"""The drift report: what it promises of any panel, and that it sees what was planted."""

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from studio_pipeline.monitoring.drift.alarms import Alarm, alarms_of
from studio_pipeline.monitoring.drift.charts import SOME, DriftChart, drift_charts
from studio_pipeline.monitoring.drift.levels import backtest_errors
from studio_pipeline.monitoring.drift.report import (
    DriftReport,
    alarm_sentences,
    charts_over_time,
    report_drift,
)
from studio_pipeline.monitoring.thresholds import DriftConfig
from studio_pipeline.panel.arrays import StudioPanel
from studio_pipeline.panel.generator.options import GeneratorConfig
from studio_pipeline_tests.forecasting.fleets import hidden, in_currency, only_columns
from studio_pipeline_tests.monitoring.drifting_fleets import fleet_panel, retention_drop, stand_in_errors

OPTIONS = DriftConfig()
SINCE, STUDIOS = 30, 40
HIT = np.arange(STUDIOS) % 8 == 0


@cache
def dropped() -> StudioPanel:
    options = GeneratorConfig(studios=STUDIOS, months=SINCE + 8, shock=False, seed=5)
    return fleet_panel(options, retention_drop(HIT, 0.08), SINCE)


@cache
def report() -> DriftReport:
    return report_drift(dropped(), {}, OPTIONS)


def test_a_planted_drop_is_told_with_its_studios_size_and_month() -> None:
    (row,) = report().alarms.to_dict("records")
    assert row["chart"] == "retention_rate: some"
    assert row["standing"]
    panel = dropped()
    assert 0 <= panel.column_of(np.datetime64(row["told"], "M")) - SINCE < 6
    assert abs(panel.column_of(np.datetime64(row["since"], "M")) - SINCE) <= 1
    assert row["size"] == pytest.approx(-0.08, abs=0.035)
    found = set(report().studios["studio_id"])
    assert len(found & set(panel.studio_ids[HIT])) >= 4
    assert len(found - set(panel.studio_ids[HIT])) <= 1
    assert "retention_rate fell in some studios" in report().alarm
    assert alarm_sentences(report().alarms)[0].startswith(report().alarm)


def test_later_months_change_nothing_that_was_said_before() -> None:
    until = SINCE + 3
    before = report_drift(dropped().until(until), {}, OPTIONS)
    month = dropped().months[until].astype("datetime64[ns]")
    later = report().statistics
    pd.testing.assert_frame_equal(
        before.statistics.sort_values(["chart", "month_year"]).reset_index(drop=True),
        later[later["month_year"] <= month].sort_values(["chart", "month_year"]).reset_index(drop=True),
    )
    assert before.alarm == report().alarm != ""


def test_the_order_of_studios_and_the_currency_change_nothing() -> None:
    panel = dropped()
    shuffled = panel.select(np.random.default_rng(1).permutation(STUDIOS))
    for other in (shuffled, in_currency(panel, 83.0)):
        found = report_drift(other, {}, OPTIONS)
        np.testing.assert_allclose(found.statistics["ratio"], report().statistics["ratio"], rtol=1e-6)
        assert found.alarm == report().alarm


def test_an_alarm_stands_until_a_published_model_knows_the_months_since() -> None:
    told = dropped().column_of(np.datetime64(report().alarms["told"][0], "M"))
    for months_after, stands in ((0, True), (2, True), (3, False)):
        known = dropped().months[told + months_after]
        assert bool(report_drift(dropped(), {}, OPTIONS, known).alarm) is stands


def _chart(ratios: list[float]) -> DriftChart:
    n = len(ratios)
    flat = np.zeros(n, dtype=np.int64)
    return DriftChart(SOME, "retention_rate", np.array(ratios), np.ones(n), flat + 1, np.arange(n), flat - 1)


@pytest.mark.parametrize(
    ("ratios", "expected"),
    [
        ([0.5, 0.9, 0.2], []),
        ([0.5, 1.1, 0.2], [(1, -1)]),
        ([1.1, 0.1, 0.1, 1.2, 0.1, 0.1], [(0, -1)]),
        ([1.1, 0.1, 0.1, 0.1, 0.1], [(0, 3)]),
        ([1.1, 0.1, 0.1, 0.1, 1.3], [(0, 3), (4, -1)]),
        ([np.nan, np.nan, 1.5], [(2, -1)]),
    ],
)
def test_alarms_begin_stand_and_end(ratios: list[float], expected: list[tuple[int, int]]) -> None:
    assert [(alarm.raised, alarm.ended) for alarm in alarms_of(_chart(ratios), 3)] == expected


@pytest.mark.parametrize("studios", [1, 5, 8])
def test_few_studios_say_what_can_not_be_seen(studios: int) -> None:
    found = report_drift(dropped().select(slice(0, studios)), {}, OPTIONS)
    assert any("Fewer than 8 studios" in words for words in found.not_seen) is (studios < 8)
    assert found.alarm == ""


def test_twelve_months_are_too_few_and_nothing_is_claimed() -> None:
    found = report_drift(dropped().until(11), {}, OPTIONS)
    assert found.statistics.empty
    assert "Too few months yet" in " ".join(found.not_seen)
    assert charts_over_time(found.statistics).startswith(b"\x89PNG")


def test_revenue_alone_and_ragged_starts_are_watched() -> None:
    not_begun = np.arange(dropped().n_months) < np.arange(STUDIOS)[:, None] // 2
    found = report_drift(hidden(only_columns(dropped(), ["total_revenue"]), not_begun), {}, OPTIONS)
    assert set(found.statistics["chart"]) == {"revenue_per_member: all", "revenue_per_member: some"}
    assert np.isfinite(found.statistics["ratio"]).all()
    assert "retention_rate" in " ".join(found.not_seen)


def test_a_report_comes_back_as_it_was_written(tmp_path: Path) -> None:
    report().write(tmp_path)
    back = DriftReport.read(tmp_path)
    pd.testing.assert_frame_equal(back.statistics, report().statistics)
    pd.testing.assert_frame_equal(back.alarms, report().alarms, check_dtype=False)
    assert (back.alarm, back.not_seen) == (report().alarm, report().not_seen)


def test_backtest_errors_stand_in_the_month_that_was_forecast() -> None:
    panel = dropped()
    row = {"target": "revenue", "studio_id": panel.studio_ids[3], "month_year": panel.months[7]}
    rows = [
        row | {"horizon": 1, "actual": 110.0, "ensemble": 100.0},
        row | {"horizon": 3, "actual": 110.0, "ensemble": 0.0},
        row | {"horizon": 1, "actual": 90.0, "ensemble": 100.0, "studio_id": "elsewhere"},
    ]
    errors = backtest_errors(pd.DataFrame(rows), panel)
    assert np.argwhere(np.isfinite(errors["error_1_month_ahead"])).tolist() == [[3, 7]]
    assert errors["error_1_month_ahead"][3, 7] == pytest.approx(np.log(1.1))
    assert not np.isfinite(errors["error_3_months_ahead"]).any()


def test_forecast_errors_that_grow_in_some_studios_are_told() -> None:
    panel = only_columns(dropped(), ["total_revenue"])
    generator = np.random.default_rng(8)
    errors = 0.03 * generator.standard_normal((STUDIOS, panel.n_months))
    quiet = report_drift(panel, {"error_1_month_ahead": errors}, OPTIONS)
    errors = errors.copy()
    errors[:5, SINCE:] -= 0.1
    loud = report_drift(panel, {"error_1_month_ahead": errors}, OPTIONS)
    assert "error_1_month_ahead" not in quiet.alarm
    assert "error_1_month_ahead fell in some studios" in loud.alarm


def _alarms(panel: StudioPanel) -> list[Alarm]:
    charts = drift_charts(panel, stand_in_errors(panel), OPTIONS.false_alarms_per_year).charts
    return [alarm for chart in charts for alarm in alarms_of(chart, 3)]


@pytest.mark.parametrize(("fleets", "too_many"), [(6, 8), pytest.param(12, 12, marks=pytest.mark.campaign)])
def test_false_alarms_are_about_as_rare_as_set(fleets: int, too_many: int) -> None:
    """Of nine years of each fleet; at the rate that is set, so many have a chance below 1 %."""
    bad = 0
    for seed in range(fleets):
        drawn = {"shock": False, "vary": True, "seed": 900 + seed}
        options = GeneratorConfig(studios=60, months=120, last_month="2027-12", **drawn)
        bad += len({alarm.raised // 12 for alarm in _alarms(fleet_panel(options)) if alarm.raised >= 12})
    assert bad < too_many, f"{bad} of {9 * fleets} years with a false alarm"


LARGER = [pytest.param(*case, marks=pytest.mark.campaign) for case in ((60, 12, 10), (300, 5, 4))]


@pytest.mark.parametrize(("studios", "cases", "at_least"), [(60, 3, 2), *LARGER])
def test_a_drop_of_retention_in_a_tenth_of_the_studios_is_found_within_six_months(
    studios: int, cases: int, at_least: int
) -> None:
    found = 0
    for seed in range(cases):
        generator = np.random.default_rng(seed)
        since = int(generator.integers(26, 40))
        hit = np.zeros(studios, dtype=bool)
        hit[generator.permutation(studios)[: studios // 10]] = True
        options = GeneratorConfig(studios=studios, months=since + 6, shock=False, vary=True, seed=800 + seed)
        alarms = _alarms(fleet_panel(options, retention_drop(hit, 0.05), since))
        found += any(a.chart.name == "retention_rate: some" and a.raised >= since for a in alarms)
    assert found >= at_least
