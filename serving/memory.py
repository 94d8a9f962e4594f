"""What a long-running process does about memory: gives back what it used for a moment, and doesn't look again
and again at what never goes.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from functools import cache


@cache
def leave_imported_objects_alone() -> None:
    """Take everything that is there now out of Python's search for garbage, once a process.

    Modules and schemas are a hundred thousand objects that stay; a search through them holds up every request
    for tens of milliseconds. A release must not be among them, or its cycles would never go.
    """
    gc.freeze()


def give_back_freed_memory() -> None:
    """Let the C library give back what nobody uses; does nothing where it can't be told to.

    Without it, a third of what loading a release takes for a moment stays with the process.
    """
    if (trim := _malloc_trim()) is not None:
        trim(0)


@cache
def _malloc_trim() -> Callable[[int], int] | None:
    """`malloc_trim` of the GNU C library; None where the process runs on another one."""
    try:
        trim: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return None
    return trim
