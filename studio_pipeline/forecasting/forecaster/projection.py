"""Projection of origin states under levers, for many origins or a single one, and the origin of a plan.

`project_many` runs on arrays, `project_one` on plain numbers for the answer to a single query; both apply the
core's simulation and the ensemble's `lever_correction`. `StudioOrigin` is the interface of the planner.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from studio_pipeline.forecasting.base.bounds import Range
from studio_pipeline.forecasting.base.given_levers import FirstMonths, given_months, months_from
from studio_pipeline.forecasting.base.hyperparameters import MAX_HORIZON_MONTHS
from studio_pipeline.forecasting.base.queries import PlainMonths
from studio_pipeline.forecasting.core.flow_terms import FlowTerms
from studio_pipeline.forecasting.core.scalar_simulation import run_one
from studio_pipeline.forecasting.core.simulation import simulate_terms
from studio_pipeline.forecasting.ensemble.lever_correction import FreeEnsemble, learned_parts, under_levers
from studio_pipeline.forecasting.features.feature_matrix import with_given, with_given_of_one
from studio_pipeline.forecasting.forecaster.origin_state import OriginStates, corrected, plain_origin
from studio_pipeline.forecasting.forecaster.warnings import Effects, Usual
from studio_pipeline.forecasting.learners.onnx_ensemble import OnnxSessions
from studio_pipeline.panel.arrays import FloatArray

LeverLists = Mapping[str, list[float]]
"""Lever to its value in each of H months, NaN where free."""


def project_many(
    prepared: OriginStates, graphs: OnnxSessions, levers: Mapping[str, FloatArray]
) -> FloatArray:
    """(N, 3, H) revenue, members and retention of N prepared origins under levers."""
    paths = simulate_terms(prepared.terms, levers)
    core = np.stack([paths.revenue, paths.members, paths.retention_rate], 1)
    ensemble = FreeEnsemble(prepared.core, prepared.free, prepared.kept, prepared.learned)
    months, retention = given_months(levers), levers.get("retention_rate")
    if not graphs.learners:
        return under_levers(ensemble, core, months, retention)
    corrections = graphs.corrections(with_given(prepared.learner_rows, prepared.trailing_levels, levers))
    learned = learned_parts(prepared.learner_shares, corrections, prepared.core[:, 2])
    return under_levers(ensemble, core, months, retention, learned)


def project_one(
    prepared: OriginStates, place: int, graphs: OnnxSessions, levers: LeverLists, first: FirstMonths
) -> PlainMonths:
    """Revenue, members and retention of one prepared origin under levers, month by month.

    The result is that of `project_many` in a tenth of its time.
    """
    origin = plain_origin(prepared, place)
    core = run_one(origin.terms, levers)
    retention = levers.get("retention_rate")
    if not graphs.learners:
        return corrected(origin, core, first, retention)
    rows = with_given_of_one(prepared.learner_rows[place], prepared.trailing_levels[place], levers)
    corrections = graphs.corrections_of_one(rows, first)
    learned = learned_parts(prepared.learner_shares[place], corrections, prepared.core[place, 2])
    held = None if retention is None else np.array(retention)
    found: PlainMonths = under_levers(
        origin.ensemble, np.array(core), months_from(first), held, learned
    ).T.tolist()
    return found


_SETS_AT_ONCE = 512
_REVENUE = 0


@dataclass(frozen=True)
class StudioOrigin:
    """A studio at its base month, as the planner uses it."""

    base_month: np.datetime64  # the last known month, datetime64[M]
    history_months: int  # months up to it; 0 for a studio without history
    shown: Mapping[str, Range]  # lever to its smallest and largest value; for a new studio, of all studios
    carried: tuple[str, ...]  # levers that can be given with the studio's data
    terms: FlowTerms  # input of its projection with every lever free
    usual: Usual  # its levels with every lever free
    effects: Effects  # flow to regressor to the response of the studio's members
    projected_revenue: Callable[[Mapping[str, FloatArray]], FloatArray]  # (N, 12) levers to revenue

    def revenue_under(self, levers: Mapping[str, FloatArray], months: int) -> FloatArray:
        """(N, months) revenue under N sets of levers, each held over all months; equal to the answers of
        `Forecaster.forecast`, to rounding. `levers`: lever to its (N,) values; at least one lever.
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
    prepared: OriginStates, place: int, graphs: OnnxSessions, levers: Mapping[str, FloatArray]
) -> FloatArray:
    """(N, 12) revenue of one prepared origin under N lever paths."""
    n = len(next(iter(levers.values())))
    return project_many(prepared.take(np.full(n, place)), graphs, levers)[:, _REVENUE]


def new_revenue(terms: FlowTerms, levers: Mapping[str, FloatArray]) -> FloatArray:
    """(N, 12) revenue of a studio without history under N lever paths."""
    n = len(next(iter(levers.values())))
    return simulate_terms(terms.take(np.zeros(n, dtype=np.int64)), levers).revenue
