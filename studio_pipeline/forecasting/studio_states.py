"""States of some studios of a panel, reckoned when they are asked for: kept for every month, they would be
six times as large as the panel.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from studio_pipeline.forecasting.core import CoreStates, core_states
from studio_pipeline.forecasting.core_market import core_market
from studio_pipeline.forecasting.core_parameters import CoreParameters
from studio_pipeline.panel.arrays import IntArray, StudioPanel

_STUDIOS_AT_ONCE = 256


class StudioStates:
    """Reckons the core's states of a panel's studios; what these share is reckoned once and kept.

    Args:
        parameters: of the core.
        panel: the months of all studios.
    """

    def __init__(self, parameters: CoreParameters, panel: StudioPanel) -> None:
        self.parameters, self.panel = parameters, panel
        self._market = core_market(panel, parameters)

    def of(self, rows: IntArray, last_column: int) -> CoreStates:
        """The states of the studios in some rows, in their order, at the months up to a column."""
        some = self.panel.until(last_column).select(rows)
        return core_states(some, self.parameters, market=self._market.until(some.n_months))


def some_studios_at_a_time(rows: IntArray) -> Iterator[IntArray]:
    """Rows without repetition and in order, so many at once as memory bears; once where there are none."""
    single = np.unique(rows)
    for first in range(0, max(len(single), 1), _STUDIOS_AT_ONCE):
        yield single[first : first + _STUDIOS_AT_ONCE]
