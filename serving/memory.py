"""Memory that a release took while it was loaded, or that an old one has left, given back to the system."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache


def give_back_freed_memory() -> None:
    """Let the C library give back what nobody uses; does nothing where it can't be told to.

    Without it, a third of what loading a release needs for a moment stays with the process for ever.
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
