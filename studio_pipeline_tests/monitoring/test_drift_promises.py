"""The promises of the drift monitor at reduced size; `benchmarks/drift_power.py` measures them in full."""

import numpy as np
import pytest

from studio_pipeline.monitoring.drift.alarms import Alarm, alarms_of
from studio_pipeline.monitoring.drift.charts import drift_charts
from studio_pipeline.monitoring.thresholds import DriftConfig
from studio_pipeline.panel.arrays import StudioPanel
from studio_pipeline.panel.generator.options import GeneratorConfig
from studio_pipeline_tests.monitoring.drifting_fleets import fleet_panel, retention_drop, stand_in_errors

pytestmark = pytest.mark.slow
RATE = DriftConfig().false_alarms_per_year


def _alarms(panel: StudioPanel) -> list[Alarm]:
    charts = drift_charts(panel, stand_in_errors(panel), RATE).charts
    return [alarm for chart in charts for alarm in alarms_of(chart, 3)]


def test_false_alarms_are_as_rare_as_set() -> None:
    fleets, years = 12, 12 * 9
    bad = 0
    for seed in range(fleets):
        options = GeneratorConfig(
            studios=60, months=120, shock=False, vary=True, seed=900 + seed, last_month="2027-12"
        )
        bad += len({alarm.told // 12 for alarm in _alarms(fleet_panel(options)) if alarm.told >= 12})
    # Twelve or more of 108 years would have a chance below 1 % at the rate that is set.
    assert bad < 12, f"{bad} of {years} years with a false alarm"


@pytest.mark.parametrize(("studios", "cases"), [(60, 12), (300, 5)])
def test_a_drop_of_retention_in_a_tenth_of_the_studios_is_found_within_six_months(
    studios: int, cases: int
) -> None:
    found = 0
    for seed in range(cases):
        generator = np.random.default_rng(seed)
        since = int(generator.integers(26, 40))
        hit = np.zeros(studios, dtype=bool)
        hit[generator.permutation(studios)[: studios // 10]] = True
        options = GeneratorConfig(studios=studios, months=since + 6, shock=False, vary=True, seed=800 + seed)
        told = [
            alarm.told
            for alarm in _alarms(fleet_panel(options, retention_drop(hit, 0.05), since))
            if alarm.chart.name == "retention_rate: some" and alarm.told >= since
        ]
        found += bool(told)
    assert found >= 0.8 * cases
