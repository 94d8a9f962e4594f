"""False alarms of both watches over many years, and what the drift monitor finds in how many fleets."""

import pytest

from studio_pipeline_tests.monitoring.accuracy.test_accuracy_watch import RULES, false_alarms
from studio_pipeline_tests.monitoring.drift.test_drift_promises import alarmed_years, drops_found

pytestmark = pytest.mark.campaign


def test_false_alarms_of_drift_are_as_rare_as_set() -> None:
    fleets, years = 12, 12 * 9
    bad = alarmed_years(fleets)
    # Twelve or more of 108 years would have a chance below 1 % at the rate that is set.
    assert bad < 12, f"{bad} of {years} years with a false alarm"


@pytest.mark.parametrize(("studios", "cases"), [(60, 12), (300, 5)])
def test_a_drop_of_retention_is_found_in_most_fleets(studios: int, cases: int) -> None:
    assert drops_found(studios, cases) >= 0.8 * cases


def test_honest_years_bring_few_false_alarms_of_accuracy() -> None:
    assert false_alarms(999) / 999 <= RULES.false_alarms_a_year
