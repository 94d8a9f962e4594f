"""How much of the feedback through full classes is believed: what forecasts the studios' members best.

Full classes and loyal members have causes in common that no column shows, so a regression takes too much of
what they share for a response. That share would feed back month after month, where it does harm.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from studio_pipeline.forecasting.core import core_states, project_core
from studio_pipeline.forecasting.core_parameters import CoreParameters
from studio_pipeline.forecasting.hyperparameters import MAX_HORIZON_MONTHS
from studio_pipeline.forecasting.targets import actual_months
from studio_pipeline.panel.arrays import FloatArray, IntArray, StudioPanel

_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
_HORIZONS = (3, 6, 12)
_WARM_UP_MONTHS = 12
_JUDGED_MONTHS = 120


def best_share(panel: StudioPanel, tempered: Callable[[float], CoreParameters]) -> float:
    """The share, 0..1, with the smallest error, by the parabola through the best of five and its neighbours.

    Args:
        panel: the months it is judged on.
        tempered: the core with a share of the feedback.
    """
    errors = [own_members_error(panel, tempered(share)) for share in _SHARES]
    best = int(np.argmin(errors))
    if not 0 < best < len(_SHARES) - 1:
        return _SHARES[best]
    before, here, after = errors[best - 1 : best + 2]
    bend = before - 2 * here + after
    step = _SHARES[1] * (before - after) / (2 * bend) if bend > 0 else 0.0
    return _SHARES[best] + step


def own_members_error(panel: StudioPanel, parameters: CoreParameters) -> float:
    """Mean over horizons of the error in members from every origin, relative to that of no change; what all
    studios of an origin share is taken out of both.
    """
    members = panel.values["total_members"]
    first = max(_WARM_UP_MONTHS, panel.n_months - _JUDGED_MONTHS)
    rows, columns = np.nonzero(members[:, first:-1] > 0)
    columns = columns + first
    if not len(rows):
        return 0.0
    paths = project_core(core_states(panel, parameters), rows, columns, MAX_HORIZON_MONTHS)
    actual = actual_months(panel, "members", rows, columns, MAX_HORIZON_MONTHS)
    ratios = []
    for h in _HORIZONS:
        known = actual[:, h - 1] > 0
        happened, now = actual[known, h - 1], members[rows[known], columns[known]]
        missed = _own(np.log(happened / paths.members[known, h - 1]), columns[known])
        change = _own(np.log(happened / now), columns[known])
        if (size := float((happened * np.abs(change)).sum())) > 0:
            ratios.append(float((happened * np.abs(missed)).sum()) / size)
    return float(np.mean(ratios)) if ratios else 0.0


def _own(errors: FloatArray, columns: IntArray) -> FloatArray:
    """(R,) errors less the median over the studios of the same origin month."""
    own = errors.copy()
    for column in np.unique(columns):
        here = columns == column
        own[here] -= np.median(errors[here])
    return own
