"""Candidate regressors of each flow, one per threshold of crowding and overwork, and the control variables.

The slopes are estimated in `estimation`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from studio_pipeline.forecasting.base.flows import previous_month
from studio_pipeline.forecasting.responses.regressors import (
    Comfort,
    burden,
    known_log,
    starting_members,
)
from studio_pipeline.panel.arrays import FloatArray, StudioPanel

CONTROLS = ("members", "timetable", "visits", "heads")
"""Control variables: in the regression beside the regressors, but no levers."""

_ATTENDANCE_GRID = tuple(round(0.64 + 0.02 * k, 2) for k in range(14))
_UTILIZATION_GRID = tuple(round(0.78 + 0.01 * k, 2) for k in range(15))


@dataclass(frozen=True)
class Candidate:
    """Regressor that a flow may respond to."""

    name: str  # of the regressor; candidates of one name differ in their threshold, and one of them is used
    values: FloatArray  # (S, T), NaN where unknown
    threshold: float = 0.0  # rate above which it counts, 0..1; 0 if it has none
    same_month: bool = False  # True for the month's own rate, False for that of the month before


def candidates_of(flow: str, panel: StudioPanel, comfort: Comfort | None) -> list[Candidate]:
    """Candidate regressors and controls of a flow; one per threshold of the grids if `comfort` is None."""
    v, prices = panel.values, panel.values["avg_ticket_price"]
    # Dividing by the typical price makes slopes bit-identical in a currency of twice the unit.
    typical = float(np.median(prices[np.isfinite(prices)])) if np.isfinite(prices).any() else 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        price, classes, members = (
            np.log(x) for x in (prices / (typical or 1.0), v["total_classes_held"], v["total_members"])
        )
    visits = known_log(v["total_class_attendance"], starting_members(panel))
    earlier_members = Candidate("members", previous_month(members))
    if flow == "utilization":
        # More members or paid heads change the work an hour, and classes go with both.
        heads = known_log(v["staff_count"])
        paid = [Candidate("heads", heads)] if np.isfinite(heads).any() else []
        return [Candidate("classes", classes), earlier_members, *paid]
    if flow == "visits":
        # Members are a control, because they and their visits have common causes; classes have fewer. So are
        # earlier visits, because studios add classes after full months.
        return [Candidate("classes", classes), earlier_members, Candidate("visits", previous_month(visits))]
    found = [Candidate("price", price)]
    if flow == "retention":
        # Controls: a flood empties classes and loses members, and at given visits crowding comes from the
        # timetable.
        before = previous_month(v["class_attendance_rate"])
        found += [Candidate("fullness", before), Candidate("timetable", classes), Candidate("visits", visits)]
    return found + _burdens(v["class_attendance_rate"], v["staff_utilization_rate"], comfort)


def _burdens(attendance: FloatArray, utilization: FloatArray, comfort: Comfort | None) -> list[Candidate]:
    """Crowding and overwork, above each threshold or above those of `comfort`."""
    if comfort is None:
        # The default comes first, because the first threshold is kept unless another is clearly more likely.
        usual = Comfort()
        rates = sorted(_ATTENDANCE_GRID, key=lambda rate: rate != usual.attendance_rate)
        crowds = [(rate, same) for same in (False, True) for rate in rates]
        works = sorted(_UTILIZATION_GRID, key=lambda rate: rate != usual.utilization)
    else:
        crowds, works = [(comfort.attendance_rate, comfort.same_month)], [comfort.utilization]
    before = previous_month(attendance)
    return [
        *(
            Candidate("crowding", burden(attendance if same else before, rate), rate, same)
            for rate, same in crowds
        ),
        *(Candidate("overwork", burden(utilization, rate), rate) for rate in works),
    ]
