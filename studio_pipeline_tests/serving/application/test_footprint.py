"""A worker's memory: what 300 studios take, and what each further one adds."""

import sys
from pathlib import Path

import pytest

from studio_pipeline_tests.benchmarks.service_footprint import (
    MIB,
    SERVICE,
    kb_per_studio,
    largest_model,
    measure,
    publish,
)
from studio_pipeline_tests.forecasting.fleets import generated_panel

FEW, MANY = 300, 3_000


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
def test_a_worker_stays_small(tmp_path: Path) -> None:
    model = largest_model(studios=100)
    found = []
    for studios in (FEW, MANY):
        panel = generated_panel(studios, months=60)
        publish(tmp_path / str(studios), model, panel)
        found.append(measure("service", SERVICE, tmp_path / str(studios), panel.studio_ids.tolist()))
    few, many = found
    assert few.resident_bytes <= 250 * MIB
    assert kb_per_studio(few, many) <= 30
