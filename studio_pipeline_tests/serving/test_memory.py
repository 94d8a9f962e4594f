"""What a process takes for a moment it gives back, and what it keeps it doesn't search."""

import ctypes
import gc
import sys
import weakref
from pathlib import Path

import pytest
from processes import python

from serving import memory

KEPT_AND_FREED = """
import resource
import numpy as np
from serving.memory import give_back_freed_memory

def resident_mib():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024

few = [np.ones(2_000) for _ in range(8_000)]
kept = few[::100]
del few
before = resident_mib()
give_back_freed_memory()
print(before - resident_mib())
"""
FROZEN = """
import gc
from serving.memory import search_seldom_for_garbage

before, usual = gc.get_freeze_count(), gc.get_threshold()
search_seldom_for_garbage()
once = gc.get_freeze_count()
more = [[] for _ in range(1_000)]
search_seldom_for_garbage()
print(before == 0, once > 1_000, gc.get_freeze_count() == once, gc.get_threshold()[0] > usual[0])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks the GNU C library")
def test_memory_between_what_is_kept_goes_back(tmp_path: Path) -> None:
    """Every hundredth array stays, so that the heap can't shrink from its end alone."""
    assert float(python(tmp_path, "-c", KEPT_AND_FREED)) > 60


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert memory._malloc_trim.__wrapped__() is None
    monkeypatch.setattr(memory, "_malloc_trim", lambda: None)
    memory.give_back_freed_memory()


def test_what_is_imported_is_frozen_once(tmp_path: Path) -> None:
    assert python(tmp_path, "-c", FROZEN).split() == ["True"] * 4


def test_what_only_a_cycle_holds_goes_when_unused_memory_is_given_back() -> None:
    class Held:
        pass

    gc.disable()
    try:
        one = Held()
        one.itself = one  # type: ignore[attr-defined]
        gone = weakref.ref(one)
        del one
        assert gone() is not None
        memory.give_back_unused_memory()
        assert gone() is None
    finally:
        gc.enable()
