"""What grows with the studios in a whole run grows no faster than they do.

Here everything that is bounded by the configuration is bounded low, so that what grows shows against what
does not. `campaigns/test_scale.py` has more studios, and memory; the figures at full size are those of
`benchmarks/pipeline_scale.py`.
"""

from pathlib import Path

import pytest
import yaml

from studio_pipeline_tests.benchmarks.pipeline_scale import Cost, measure

SIZES = (50, 500, 2_000)
MONTHS = 36
LARGEST_POWER = 1.1
NOISE = 1.5
"""CPU time of equal runs differs by a second or two; quadratic growth would be three times too much."""

LEAN = {
    "forecasting": {
        "xgboost": {"n_trees": 3, "max_depth": 2},
        "lightgbm": {"n_trees": 3, "max_depth": 2},
        "random_forest": {"n_trees": 3, "max_depth": 2},
        "core": {"tuning_rounds": 1, "tuning_studios": 60},
        "backtest": {"folds": 2, "fold_months": 6, "max_studios": 100, "max_training_rows": 4_000},
    }
}


def costs_of(folder: Path, sizes: tuple[int, int, int]) -> tuple[Cost, Cost, Cost]:
    """Of a run on each size, everything bounded low."""
    lean = folder / "lean.yaml"
    lean.write_text(yaml.safe_dump(LEAN))
    small, middle, large = (measure(folder, studios, MONTHS, lean) for studios in sizes)
    return small, middle, large


def growth(costs: tuple[Cost, Cost, Cost]) -> tuple[float, float]:
    """Studios and CPU time of the large run over those of the middle one, both beyond the small one's."""
    small, middle, large = costs
    more_studios = (large.studios - small.studios) / (middle.studios - small.studios)
    more_seconds = (large.cpu_seconds - small.cpu_seconds) / (middle.cpu_seconds - small.cpu_seconds)
    return more_studios, more_seconds


@pytest.mark.slow
def test_time_beyond_what_any_run_takes_grows_about_as_the_studios(tmp_path: Path) -> None:
    more_studios, more_seconds = growth(costs_of(tmp_path, SIZES))
    assert more_seconds <= NOISE * more_studios**LARGEST_POWER
