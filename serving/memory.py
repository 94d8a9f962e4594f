"""What a long-running process does about memory: gives back what it used for a moment, and doesn't look again
and again at what never goes.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from functools import cache

_OBJECTS_BETWEEN_SEARCHES = 20_000
"""Above what sixteen requests in hand and a crowd of logged predictions make and let go again: with Python's
700, each pass of answers is searched for garbage while it is still in use.
"""


@cache
def search_seldom_for_garbage() -> None:
    """Take everything that is there now out of Python's search for garbage, and let it come seldom, once a
    process.

    Modules and schemas are a hundred thousand objects that stay; a search through them holds up every request
    for tens of milliseconds. A release must not be among them, or its cycles would never go.
    """
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_SEARCHES, *gc.get_threshold()[1:])


def give_back_unused_memory() -> None:
    """Find what only cycles hold, such as tables of a release that was replaced, and give back all that
    nobody uses.
    """
    gc.collect()
    give_back_freed_memory()


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
