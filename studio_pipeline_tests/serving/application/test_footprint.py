"""A worker's memory: what it takes with a few studios, and what each further one adds."""

import sys
from pathlib import Path

import pytest

from studio_pipeline_tests.benchmarks.service_footprint import (
    MIB,
    SERVICE,
    Footprint,
    kb_per_studio,
    largest_model,
    measure,
    publish,
)
from studio_pipeline_tests.forecasting.fleets import generated_panel

FEW, MANY = 200, 1_200


def footprints(folder: Path, sizes: tuple[int, int], fitted_on: int) -> list[Footprint]:
    """Of the service with one model, beside the months of so many studios."""
    model = largest_model(studios=fitted_on)
    found = []
    for studios in sizes:
        panel = generated_panel(studios, months=60)
        publish(folder / str(studios), model, panel)
        found.append(measure("service", SERVICE, folder / str(studios), panel.studio_ids.tolist()))
    return found


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
def test_a_worker_stays_small(tmp_path: Path) -> None:
    """`campaigns/test_scale.py` has 3,000 studios."""
    few, many = footprints(tmp_path, (FEW, MANY), fitted_on=30)
    assert few.resident_bytes <= 250 * MIB
    assert kb_per_studio(few, many) <= 40
