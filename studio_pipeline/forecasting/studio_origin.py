"""One studio at one base month, as a planner asks about it: what its levers may be, what it usually does, and
what it would earn under many sets of held levers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from studio_pipeline.forecasting.bounds import Range
from studio_pipeline.forecasting.flow_terms import FlowTerms
from studio_pipeline.forecasting.hyperparameters import MAX_HORIZON_MONTHS
from studio_pipeline.forecasting.onnx_sessions import LearnerGraphs
from studio_pipeline.forecasting.prepared_origins import PreparedOrigins
from studio_pipeline.forecasting.projection import project_many
from studio_pipeline.forecasting.query_warnings import Effects
from studio_pipeline.forecasting.stock_and_flow import simulate_terms
from studio_pipeline.panel.arrays import FloatArray

_SETS_AT_ONCE = 512
_REVENUE = 0


@dataclass(frozen=True)
class StudioOrigin:
    """A studio at its base month.

    Attributes:
        base_month: the last known month, datetime64[M].
        history_months: months up to it; 0 for a studio without history.
        shown: lever to its smallest and largest shown value (of a new studio: what all have shown).
        carried: the levers that the studio's data can carry.
        terms: of the one projection, every lever free.
        usual: level in the first month without any lever: of a lever, of `visits` a member, of
            `class_capacity`; NaN where unknown.
        effects: flow to regressor to the response of the studio's members.
        projected_revenue: lever to (N, 12) values in, (N, 12) revenue out.
    """

    base_month: np.datetime64
    history_months: int
    shown: Mapping[str, Range]
    carried: tuple[str, ...]
    terms: FlowTerms
    usual: Callable[[str], float]
    effects: Effects
    projected_revenue: Callable[[Mapping[str, FloatArray]], FloatArray]

    def revenue_under(self, levers: Mapping[str, FloatArray], months: int) -> FloatArray:
        """(N, months) revenue under N sets of levers, each held over all months: what `Forecaster.forecast`
        answers to each of them, to rounding.

        Args:
            levers: lever to its (N,) values; at least one lever.
            months: 1..12.
        """
        n = len(next(iter(levers.values())))
        found = np.empty((n, months))
        for first in range(0, n, _SETS_AT_ONCE):
            some = slice(first, first + _SETS_AT_ONCE)
            held = {
                name: np.repeat(np.asarray(values)[some, None], MAX_HORIZON_MONTHS, 1)
                for name, values in levers.items()
            }
            found[some] = self.projected_revenue(held)[:, :months]
        return found


def known_revenue(
    prepared: PreparedOrigins, place: int, graphs: LearnerGraphs, levers: Mapping[str, FloatArray]
) -> FloatArray:
    """(N, 12) revenue of one prepared origin under N lever paths."""
    n = len(next(iter(levers.values())))
    return project_many(prepared.take(np.full(n, place)), graphs, levers)[:, _REVENUE]


def new_revenue(terms: FlowTerms, levers: Mapping[str, FloatArray]) -> FloatArray:
    """(N, 12) revenue of a studio without history under N lever paths."""
    n = len(next(iter(levers.values())))
    return simulate_terms(terms.take(np.zeros(n, dtype=np.int64)), levers).revenue
