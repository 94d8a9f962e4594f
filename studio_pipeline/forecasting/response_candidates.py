"""What each flow may respond to, for every threshold that is tried."""

from __future__ import annotations

import numpy as np

from studio_pipeline.forecasting.flows import previous_month
from studio_pipeline.forecasting.response_regressors import Comfort, crowding, overwork, starting_members
from studio_pipeline.forecasting.response_selection import Candidate, Selection
from studio_pipeline.panel.arrays import StudioPanel

_ATTENDANCE_GRID = tuple(round(0.64 + 0.02 * k, 2) for k in range(14))
_UTILIZATION_GRID = tuple(round(0.78 + 0.01 * k, 2) for k in range(15))


def chosen_comfort(selection: Selection) -> Comfort:
    """The thresholds of the burdens that are used; the usual ones of the others."""
    usual = Comfort()
    shown = {name: selection.chosen[name] for name in selection.used}
    crowded, worked = shown.get("crowding"), shown.get("overwork")
    return Comfort(
        usual.attendance_rate if crowded is None else crowded.threshold,
        usual.utilization if worked is None else worked.threshold,
        usual.same_month if crowded is None else crowded.same_month,
    )


def candidates_of(flow: str, panel: StudioPanel, comfort: Comfort | None) -> list[Candidate]:
    """What a flow may respond to; thresholds are looked for where `comfort` is not known yet."""
    v = panel.values
    prices = v["avg_ticket_price"]
    # Over the typical price slopes are the same to the last bit in a currency of twice the unit.
    typical = float(np.median(prices[np.isfinite(prices)])) if np.isfinite(prices).any() else 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        price, classes, members = (
            np.log(x) for x in (prices / (typical or 1.0), v["total_classes_held"], v["total_members"])
        )
    if flow == "visits":
        # Members are there as a control: they and their visits have common causes, classes have fewer.
        return [Candidate("classes", classes), Candidate("members", previous_month(members))]
    now, before = v["class_attendance_rate"], previous_month(v["class_attendance_rate"])
    staff, usual = v["staff_utilization_rate"], Comfort()
    if comfort is None:
        # Where no threshold shows a burden the first stands: the usual one.
        rates = sorted(_ATTENDANCE_GRID, key=lambda rate: rate != usual.attendance_rate)
        crowds = [(rate, same) for same in (False, True) for rate in rates]
        works = sorted(_UTILIZATION_GRID, key=lambda rate: rate != usual.utilization)
    else:
        crowds, works = [(comfort.attendance_rate, comfort.same_month)], [comfort.utilization]
    found = [Candidate("price", price)]
    if flow == "retention":
        # Floods and moods empty classes and lose members: at given visits a crowd is the timetable's.
        with np.errstate(divide="ignore", invalid="ignore"):
            visits = np.log(v["total_class_attendance"] / starting_members(panel))
        visits = np.where(np.isfinite(visits), visits, np.nan)
        found += [Candidate("fullness", before), Candidate("timetable", classes), Candidate("visits", visits)]
    found += [
        Candidate("crowding", crowding(now if same else before, rate), rate, same) for rate, same in crowds
    ]
    return found + [Candidate("overwork", overwork(staff, rate), rate) for rate in works]
