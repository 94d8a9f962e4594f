"""The promises of the drift monitor on generated fleets."""

import numpy as np
import pytest

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
