"""What grows with the studios in a whole run grows no faster than they do, and 10,000 of them find room.

Here everything that is bounded by the configuration is bounded low, so that what grows shows against what
does not. The figures at full size are those of `benchmarks/pipeline_scale.py`.
"""

import pytest
import yaml

from studio_pipeline_tests.benchmarks.pipeline_scale import GIB, Cost, measure

SIZES = (200, 2_000, 8_000)
MONTHS = 36
FULL_STUDIOS, FULL_MONTHS, FULL_BYTES = 10_000, 60, 8 * GIB
BOUNDED_BYTES = 2 * GIB
"""Room for what the default configuration bounds, and this one bounds low: backtest and training rows."""

LARGEST_POWER = 1.1
NOISE = 1.25
"""CPU time of equal runs differs by a second or two; quadratic growth would be more than twice too much."""

LEAN = {
    "forecasting": {
        "xgboost": {"n_trees": 3, "max_depth": 2},
        "lightgbm": {"n_trees": 3, "max_depth": 2},
        "random_forest": {"n_trees": 3, "max_depth": 2},
        "core": {"tuning_rounds": 1, "tuning_studios": 60},
        "backtest": {"folds": 2, "fold_months": 6, "max_studios": 100, "max_training_rows": 4_000},
    }
}


@pytest.fixture(scope="module")
def costs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Cost, Cost, Cost]:
    folder = tmp_path_factory.mktemp("scale")
    lean = folder / "lean.yaml"
    lean.write_text(yaml.safe_dump(LEAN))
    small, middle, large = (measure(folder, studios, MONTHS, lean) for studios in SIZES)
    return small, middle, large


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_time_beyond_what_any_run_takes_grows_no_faster_than_the_studios(
    costs: tuple[Cost, Cost, Cost],
) -> None:
    small, middle, large = costs
    more_studios = (large.studios - small.studios) / (middle.studios - small.studios)
    more_seconds = (large.cpu_seconds - small.cpu_seconds) / (middle.cpu_seconds - small.cpu_seconds)
    assert more_seconds <= NOISE * more_studios**LARGEST_POWER


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_memory_at_full_size_stays_within_its_bound(costs: tuple[Cost, Cost, Cost]) -> None:
    small, middle, large = costs
    months_more = FULL_MONTHS / MONTHS
    a_studio = months_more * (large.peak_bytes - middle.peak_bytes) / (large.studios - middle.studios)
    at_full_size = small.peak_bytes + BOUNDED_BYTES + a_studio * (FULL_STUDIOS - small.studios)
    assert at_full_size <= FULL_BYTES
