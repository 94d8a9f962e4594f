"""What studios have done: how far their levers moved over a span, and how bold a change is beside that."""

from __future__ import annotations

import numpy as np

from studio_pipeline.forecasting.known_levers import HELD_LEVERS
from studio_pipeline.panel.arrays import FloatArray, StudioPanel
from studio_pipeline.panel.columns import LEVER_COLUMNS
from studio_pipeline.planning.levers import RATES
from studio_pipeline.planning.present import PRESENT_MONTHS

_MOST_STUDIOS = 500


def past_changes(panel: StudioPanel, column: int, place: int, months: int) -> FloatArray:
    """(K,) changes of one lever's three-month mean over spans of `months`, up to a base month: points of a
    rate, else shares of the value before; of at most 500 studios, evenly spaced.
    """
    every = -(-panel.n_studios // _MOST_STUDIOS)
    values = panel.values[LEVER_COLUMNS[HELD_LEVERS[place]]][::every, : column + 1]
    count = values.shape[1] - PRESENT_MONTHS + 1
    if count <= months:
        return np.zeros(0)
    mean = np.stack([values[:, k : k + count] for k in range(PRESENT_MONTHS)]).mean(0)
    before, after = mean[:, :-months], mean[:, months:]
    if place in RATES:
        changes = after - before
    else:
        changes = np.divide(after, before, out=np.full_like(after, np.nan), where=before > 0) - 1
    return np.asarray(changes[np.isfinite(changes)])


def feasibility_score(changes: FloatArray, change: float, limit: float) -> float:
    """How ordinary a change is: 1 for none, 0 at the limit.

    Of all changes that studios have made in that direction, the share that went at least as far, with the
    share that went beyond the limit taken off both; where nobody has moved the lever that way, or all went
    beyond the limit, it falls evenly.

    Args:
        changes: (K,) of `past_changes`.
        change: of the plan, in the same unit, other than 0.
        limit: how far the plan could go, with the sign of the change.
    """
    size, most = abs(change), max(abs(limit), abs(change))
    if size >= most:
        return 0.0
    same_way = np.abs(changes[np.sign(changes) == np.sign(change)])
    beyond = float((same_way > most).mean()) if same_way.size else 1.0
    if beyond >= 1:
        return 1 - size / most
    return (float((same_way >= size).mean()) - beyond) / (1 - beyond)
