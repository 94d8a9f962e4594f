"""Counting requests in sliding windows, in this process: constant time a request, bounded memory."""

from __future__ import annotations

from collections import OrderedDict

from studio_pipeline.settings import RateLimit

MOST_CALLERS = 10_000
"""So many are counted at once; past that, the one that has been quiet for longest starts anew."""

Window = tuple[int, float, float]
"""Its number since the clock's zero, the count in it, and the count in the one before."""


class RequestWindows:
    """Requests of each caller, in the current window of the clock and in the one before.

    The count of a sliding window is estimated: what stands in the current window, and of the one before as
    much as the sliding window still covers, as if it had been spread evenly: a burst that was not can let
    pass up to twice the limit for once. A caller that is refused uses up nothing.

    Args:
        limit: how many in how long a window.
    """

    def __init__(self, limit: RateLimit) -> None:
        self._limit = limit
        self._windows: OrderedDict[str, Window] = OrderedDict()

    def __len__(self) -> int:
        """How many callers are counted."""
        return len(self._windows)

    def take(self, caller: str, cost: float, now: float) -> float:
        """Count a request, if there is room for it.

        Args:
            caller: who asks.
            cost: how many requests it counts as, at most the limit.
            now: seconds of a clock that only goes forward.

        Returns:
            0.0 if it may pass, else the seconds after which it may.
        """
        number, share = divmod(now / self._limit.seconds, 1.0)
        current, before = self._counts(caller, int(number))
        room = self._limit.requests - cost
        if current + before * (1 - share) > room:
            self._windows.move_to_end(caller)
            return self._limit.seconds * _windows_to_wait(current, before, room, share)
        self._put(caller, (int(number), current + cost, before))
        return 0.0

    def give_back(self, caller: str, cost: float) -> None:
        """Undo a `take` that was let pass here and refused elsewhere."""
        if caller in self._windows:
            number, current, before = self._windows[caller]
            self._windows[caller] = (number, max(current - cost, 0.0), before)

    def _counts(self, caller: str, number: int) -> tuple[float, float]:
        last, current, before = self._windows.get(caller, (number, 0.0, 0.0))
        if last == number:
            return current, before
        return 0.0, current if last == number - 1 else 0.0

    def _put(self, caller: str, window: Window) -> None:
        self._windows[caller] = window
        self._windows.move_to_end(caller)
        if len(self._windows) > MOST_CALLERS:
            self._windows.popitem(last=False)


def _windows_to_wait(current: float, before: float, room: float, share: float) -> float:
    """How many windows until the estimate is down to `room`; `share` of the current one is over."""
    if current <= room:
        return 1 - (room - current) / before - share
    return 1 - share + 1 - room / current
