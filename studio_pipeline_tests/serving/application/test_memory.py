"""Memory that goes back to the operating system after a release was replaced."""

import ctypes
import gc
import sys
import weakref
from pathlib import Path

import pytest
from processes import python

from serving import runtime as memory

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
    memory.release_memory()


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
        memory.release_memory()
        assert gone() is None
    finally:
        gc.enable()
