import os
import sys
import threading

import pytest

from serving.background import LOW_PRIORITY, LOWEST_PRIORITY, give_way


def priority() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority of their own here")
def test_a_thread_gives_way_and_no_other_does() -> None:
    seen: list[int] = []

    def work() -> None:
        give_way()
        seen.append(priority())

    before = priority()
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [LOW_PRIORITY]
    assert priority() == before < LOW_PRIORITY


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority of their own here")
def test_a_thread_that_gives_way_further_already_stays_so() -> None:
    """To raise a priority is not for every user: under `nice` it would end the thread."""
    seen: list[int] = []

    def work() -> None:
        give_way(LOWEST_PRIORITY)
        give_way(LOW_PRIORITY)
        seen.append(priority())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [LOWEST_PRIORITY]
