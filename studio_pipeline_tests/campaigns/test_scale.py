"""Runs, validation and the service at thousands of studios: time grows as they do, and memory has bounds."""

import resource
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml

from studio_pipeline_tests.benchmarks.pipeline_scale import GIB, Cost, measure
from studio_pipeline_tests.benchmarks.service_footprint import MIB, kb_per_studio
from studio_pipeline_tests.cli.conftest import QUICK
from studio_pipeline_tests.panel.conftest import Landing, studio_months
from studio_pipeline_tests.panel.ingest.test_reader_properties import seconds_of_validation
from studio_pipeline_tests.serving.application.test_footprint import footprints

pytestmark = [pytest.mark.campaign, pytest.mark.timeout(3600)]

SIZES = (200, 2_000, 8_000)
MONTHS = 36
LARGEST_POWER = 1.1
FULL_STUDIOS, FULL_MONTHS, FULL_BYTES = 10_000, 60, 8 * GIB
BOUNDED_BYTES = 2 * GIB
"""Room for what the default configuration bounds, and the lean one bounds low: backtest and training rows."""

NOISE = 1.25
"""CPU time of equal runs differs by a second or two; quadratic growth would be more than twice too much."""


BOUNDS = {
    "core": {"tuning_rounds": 1, "tuning_studios": 60},
    "backtest": {"folds": 2, "fold_months": 6, "max_studios": 100, "max_training_rows": 4_000},
}
LEAN = {"forecasting": QUICK["forecasting"] | BOUNDS}


def costs_of(folder: Path) -> tuple[Cost, Cost, Cost]:
    """Of a run on each size, everything that the configuration bounds being bounded low."""
    lean = folder / "lean.yaml"
    lean.write_text(yaml.safe_dump(LEAN))
    small, middle, large = (measure(folder, studios, MONTHS, lean) for studios in SIZES)
    return small, middle, large


def growth(costs: tuple[Cost, Cost, Cost]) -> tuple[float, float]:
    """Studios and CPU time of the large run over those of the middle one, both beyond the small one's."""
    small, middle, large = costs
    more_studios = (large.studios - small.studios) / (middle.studios - small.studios)
    more_seconds = (large.cpu_seconds - small.cpu_seconds) / (middle.cpu_seconds - small.cpu_seconds)
    return more_studios, more_seconds


def test_time_and_memory_of_large_runs_grow_no_faster_than_the_studios(tmp_path: Path) -> None:
    costs = costs_of(tmp_path)
    more_studios, more_seconds = growth(costs)
    assert more_seconds <= NOISE * more_studios**LARGEST_POWER
    small, middle, large = costs
    for cost in costs:
        print(f"{cost.studios} studios: {cost.wall_seconds:.0f} s, CPU {cost.cpu_seconds:.0f} s,", end=" ")  # noqa: T201
        print(f"{cost.peak_bytes / GIB:.2f} GiB")  # noqa: T201
    months_more = FULL_MONTHS / MONTHS
    a_studio = months_more * (large.peak_bytes - middle.peak_bytes) / (large.studios - middle.studios)
    at_full_size = small.peak_bytes + BOUNDED_BYTES + a_studio * (FULL_STUDIOS - small.studios)
    assert at_full_size <= FULL_BYTES


def test_ten_thousand_studios_are_validated_in_ten_times_the_time_of_a_thousand(tmp_path: Path) -> None:
    make_months: Callable[..., pd.DataFrame] = studio_months
    landing = Landing(tmp_path)
    few, many = (
        seconds_of_validation(landing, make_months(studios=studios, months=60, first="2019-01"))
        for studios in (1_000, 10_000)
    )
    assert many < 15 * few
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 4 * 1024**2, "kibibytes"


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
def test_a_worker_with_thousands_of_studios_stays_small(tmp_path: Path) -> None:
    few, many = footprints(tmp_path, (300, 3_000), fitted_on=100)
    print(f"{few.resident_bytes / MIB:.0f} MiB, {kb_per_studio(few, many):.1f} kB a further studio")  # noqa: T201
    assert few.resident_bytes <= 250 * MIB
    assert kb_per_studio(few, many) <= 30
