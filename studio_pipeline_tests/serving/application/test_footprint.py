"""A worker's memory: what it takes, what each further studio adds, and what goes back after a release."""

import ctypes
import gc
import sys
import weakref
from pathlib import Path

import pytest
from processes import python

from serving.runtime import release_memory
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


KEPT_AND_FREED = """
import numpy as np
from serving.runtime import release_memory

def resident_mib():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024

few = [np.ones(2_000) for _ in range(8_000)]
kept = few[::100]
del few
before = resident_mib()
release_memory()
print(before - resident_mib())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks the GNU C library")
def test_memory_between_what_is_kept_goes_back(tmp_path: Path) -> None:
    """Every hundredth array stays, so that the heap can't shrink from its end alone."""
    assert float(python(tmp_path, "-c", KEPT_AND_FREED)) > 60


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    release_memory()


def test_reference_cycles_are_collected() -> None:
    class Held:
        pass

    gc.disable()
    try:
        one = Held()
        one.itself = one
        gone = weakref.ref(one)
        del one
        assert gone() is not None
        release_memory()
        assert gone() is None
    finally:
        gc.enable()
