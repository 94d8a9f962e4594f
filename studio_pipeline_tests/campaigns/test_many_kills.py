"""Kills with -9 at many random moments: of every process of `studio up`, and of a publisher."""

import sys
from pathlib import Path

import pytest

from studio_pipeline_tests.benchmarks import kills
from studio_pipeline_tests.publishing import test_kill

pytestmark = [pytest.mark.campaign, pytest.mark.timeout(3600)]

KILLS_OF_UP, KILLS_OF_A_PUBLISHER = 15, 200


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_killed_at_random_many_times_it_comes_back_whole_and_loses_no_file(tmp_path: Path) -> None:
    recoveries = kills.kill_often(tmp_path, KILLS_OF_UP, seed=3)
    assert sum(len(seconds) for target, seconds in recoveries.items() if target != "settled") == KILLS_OF_UP


def test_a_publisher_is_killed_many_times_at_random_moments(tmp_path: Path) -> None:
    test_kill.kill_often(tmp_path, KILLS_OF_A_PUBLISHER, seed=2)
