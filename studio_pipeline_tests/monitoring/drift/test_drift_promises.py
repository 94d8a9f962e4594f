"""The promises of the drift monitor on a few fleets; `campaigns/test_alarms_over_years.py` has more."""

import numpy as np

from studio_pipeline.monitoring.drift.alarms import Alarm, alarms_of
from studio_pipeline.monitoring.drift.charts import drift_charts
from studio_pipeline.monitoring.thresholds import DriftConfig
from studio_pipeline.panel.arrays import StudioPanel
from studio_pipeline.panel.generator.options import GeneratorConfig
from studio_pipeline_tests.monitoring.drifting_fleets import fleet_panel, retention_drop, stand_in_errors

RATE = DriftConfig().false_alarms_per_year


def _alarms(panel: StudioPanel) -> list[Alarm]:
    charts = drift_charts(panel, stand_in_errors(panel), RATE).charts
    return [alarm for chart in charts for alarm in alarms_of(chart, 3)]


def alarmed_years(fleets: int, studios: int = 60, years: int = 10) -> int:
    """Years with a false alarm, the first year of each fleet left out."""
    bad = 0
    for seed in range(fleets):
        options = GeneratorConfig(
            studios=studios, months=12 * years, shock=False, vary=True, seed=900 + seed, last_month="2027-12"
        )
        bad += len({alarm.raised // 12 for alarm in _alarms(fleet_panel(options)) if alarm.raised >= 12})
    return bad


def drops_found(studios: int, cases: int) -> int:
    """Cases in which a drop of retention in a tenth of the studios is told within six months."""
    found = 0
    for seed in range(cases):
        generator = np.random.default_rng(seed)
        since = int(generator.integers(26, 40))
        hit = np.zeros(studios, dtype=bool)
        hit[generator.permutation(studios)[: studios // 10]] = True
        options = GeneratorConfig(studios=studios, months=since + 6, shock=False, vary=True, seed=800 + seed)
        told = [
            alarm.raised
            for alarm in _alarms(fleet_panel(options, retention_drop(hit, 0.05), since))
            if alarm.chart.name == "retention_rate: some" and alarm.raised >= since
        ]
        found += bool(told)
    return found


def test_false_alarms_are_about_as_rare_as_set() -> None:
    # Of 54 years; at the rate that is set, eight or more have a chance below 1 %.
    assert alarmed_years(6) < 8


def test_a_drop_of_retention_in_a_tenth_of_the_studios_is_found_within_six_months() -> None:
    assert drops_found(60, 3) >= 2
