"""Selection of the regressors of a flow: candidates, thresholds by fit, then backward elimination by t-tests.

The test level is corrected for the number of regressors and thresholds that are tried (Bonferroni). Slopes
and their standard errors are computed in `gls`.
Source: Hoeting et al. (1999), Statistical Science 14(4), for the error of a slope whose threshold is
estimated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from studio_pipeline.forecasting.base.flows import previous_month
from studio_pipeline.forecasting.responses.gls import Information, Slopes
from studio_pipeline.forecasting.responses.regressors import (
    INFORMED,
    Comfort,
    crowding,
    overwork,
    starting_members,
)
from studio_pipeline.panel.arrays import FloatArray, StudioPanel

BURDENS = ("price", "crowding", "overwork")
"""Regressors whose slope can't be positive: more of them doesn't win members."""

CONTROLS = ("members", "timetable", "visits")
"""Control variables: in the regression beside the regressors, but no levers."""
_LARGEST = {"classes": 1.0}
_FALSE_IN_A_PANEL = 0.002
_LOOKS = 16
_SEARCH_ROUNDS = 2
_LEAST_SHARE_MOVED = 1e-6


@dataclass(frozen=True)
class Candidate:
    """Regressor that a flow may respond to.

    Attributes:
        name: of the regressor; candidates of one name differ in their threshold, and one of them is used.
        values: (S, T), NaN where unknown.
        threshold: rate above which it counts, 0..1; 0 if it has none.
        same_month: True for the month's own rate, False for that of the month before.
    """

    name: str
    values: FloatArray
    threshold: float = 0.0
    same_month: bool = False


@dataclass(frozen=True)
class Found:
    """Estimate of one regressor's slope.

    Attributes:
        estimate: the slope, used or not.
        standard_error: of the slope; infinite if the regressor did not move.
        credible: True if the slope is significant and has an allowed sign.
    """

    estimate: float
    standard_error: float
    credible: bool


@dataclass(frozen=True)
class Selection:
    """The regressors of one flow.

    Attributes:
        found: regressor to its estimate.
        chosen: regressor to its chosen candidate.
        used: column in the information of each credible regressor and control.
        slopes: the final estimate, in the order of `used`.
    """

    found: Mapping[str, Found]
    chosen: Mapping[str, Candidate]
    used: Mapping[str, int]
    slopes: Slopes


def select(info: Information, candidates: list[Candidate]) -> Selection:
    """Choose thresholds, then drop regressors one by one, the least credible first, until all remaining ones
    are significant and have an allowed sign. Controls and regressors with an informed prior stay.
    """
    options = _options(candidates)
    columns = _thresholds(info, options)
    chosen = {name: candidates[column] for name, column in columns.items()}
    found = {}
    for name in [n for n, column in columns.items() if not _moved(info, column)]:
        found[name] = Found(0.0, np.inf, False)
        del columns[name]
    while True:
        slopes = info.slopes(list(columns.values()))
        results = {
            name: _tested(info, columns, name, options[name], slopes, place)
            for place, name in enumerate(columns)
        }
        doubtful = [n for n, r in results.items() if not r.credible and n not in (*CONTROLS, *INFORMED)]
        if not doubtful:
            return Selection({n: (results | found)[n] for n in chosen}, chosen, columns, slopes)
        worst = min(
            doubtful, key=lambda n: _allowed_sign(n) * results[n].estimate / results[n].standard_error
        )
        found[worst] = results[worst]
        del columns[worst]


def credible(name: str, estimate: float, error: float, clusters: int) -> bool:
    """True if a slope has an allowed sign and is significant.

    The level is corrected for the regressors and thresholds tried on a panel. Slopes of burdens must be
    negative, all others positive; visits per member can't grow by more than classes do.
    """
    from scipy.special import stdtrit

    if not np.isfinite(error) or error <= 0:
        return False
    critical = float(stdtrit(max(clusters - 1, 1), 1 - _FALSE_IN_A_PANEL / _LOOKS))
    signed = _allowed_sign(name) * estimate
    return signed > critical * error and signed - 2 * error <= _LARGEST.get(name, np.inf)


def _allowed_sign(name: str) -> int:
    return -1 if name in BURDENS else 1


def _moved(info: Information, column: int) -> bool:
    return bool(info.gram[:, column, column].sum() > _LEAST_SHARE_MOVED * info.rows)


def _options(candidates: list[Candidate]) -> dict[str, list[int]]:
    """Columns of each regressor's candidates."""
    found: dict[str, list[int]] = {}
    for column, candidate in enumerate(candidates):
        found.setdefault(candidate.name, []).append(column)
    return found


def _thresholds(info: Information, options: Mapping[str, list[int]]) -> dict[str, int]:
    """Column of each regressor: of several candidates the one with the largest gain given the others."""
    columns = {name: found[0] for name, found in options.items()}
    for _ in range(_SEARCH_ROUNDS):
        for name, found in options.items():
            if len(found) > 1:
                gains = [
                    result.gain if _moved(info, option) and result.slope[-1] < 0 else -np.inf
                    for option, result in zip(found, _in_turn(info, columns, name, found), strict=True)
                ]
                columns[name] = found[int(np.argmax(gains))]
    return columns


def _in_turn(info: Information, columns: Mapping[str, int], name: str, options: list[int]) -> list[Slopes]:
    """Estimates with each of a regressor's candidates in turn, its slope last."""
    others = [column for other, column in columns.items() if other != name and _moved(info, column)]
    return [info.slopes([*others, option]) for option in options]


def _tested(
    info: Information, columns: Mapping[str, int], name: str, options: list[int], slopes: Slopes, place: int
) -> Found:
    """Estimate and test of one of the regressors estimated together.

    Its error includes the uncertainty of its threshold: the variance of the slopes over all thresholds,
    weighted by likelihood (Bayesian model averaging; Hoeting et al., 1999).
    """
    estimate, error = float(slopes.slope[place]), float(slopes.standard_error[place])
    if len(options) > 1:
        results = _in_turn(info, columns, name, options)
        gains = np.array([result.gain / (2 * result.scale) for result in results])
        likely = np.exp(gains - gains.max())
        departures = np.array([result.slope[-1] for result in results]) - estimate
        error = float(np.sqrt(error**2 + (likely * departures**2).sum() / likely.sum()))
    return Found(estimate, error, credible(name, estimate, error, slopes.clusters))


_ATTENDANCE_GRID = tuple(round(0.64 + 0.02 * k, 2) for k in range(14))
_UTILIZATION_GRID = tuple(round(0.78 + 0.01 * k, 2) for k in range(15))


def chosen_comfort(selection: Selection) -> Comfort:
    """Thresholds of the burdens that are used; the defaults for the others."""
    usual = Comfort()
    shown = {name: selection.chosen[name] for name in selection.used}
    crowded, worked = shown.get("crowding"), shown.get("overwork")
    return Comfort(
        usual.attendance_rate if crowded is None else crowded.threshold,
        usual.utilization if worked is None else worked.threshold,
        usual.same_month if crowded is None else crowded.same_month,
    )


def candidates_of(flow: str, panel: StudioPanel, comfort: Comfort | None) -> list[Candidate]:
    """Candidate regressors and controls of a flow; one per threshold of the grids if `comfort` is None."""
    v = panel.values
    prices = v["avg_ticket_price"]
    # Dividing by the typical price makes slopes bit-identical in a currency of twice the unit.
    typical = float(np.median(prices[np.isfinite(prices)])) if np.isfinite(prices).any() else 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        price, classes, members = (
            np.log(x) for x in (prices / (typical or 1.0), v["total_classes_held"], v["total_members"])
        )
    if flow == "visits":
        # Members are a control, because they and their visits have common causes; classes have fewer.
        return [Candidate("classes", classes), Candidate("members", previous_month(members))]
    now, before = v["class_attendance_rate"], previous_month(v["class_attendance_rate"])
    staff, usual = v["staff_utilization_rate"], Comfort()
    if comfort is None:
        # The default comes first, because the first threshold is kept if none shows a burden.
        rates = sorted(_ATTENDANCE_GRID, key=lambda rate: rate != usual.attendance_rate)
        crowds = [(rate, same) for same in (False, True) for rate in rates]
        works = sorted(_UTILIZATION_GRID, key=lambda rate: rate != usual.utilization)
    else:
        crowds, works = [(comfort.attendance_rate, comfort.same_month)], [comfort.utilization]
    found = [Candidate("price", price)]
    if flow == "retention":
        # Controls: a flood empties classes and loses members, and at given visits crowding comes from the
        # timetable.
        with np.errstate(divide="ignore", invalid="ignore"):
            visits = np.log(v["total_class_attendance"] / starting_members(panel))
        visits = np.where(np.isfinite(visits), visits, np.nan)
        found += [Candidate("fullness", before), Candidate("timetable", classes), Candidate("visits", visits)]
    found += [
        Candidate("crowding", crowding(now if same else before, rate), rate, same) for rate, same in crowds
    ]
    return found + [Candidate("overwork", overwork(staff, rate), rate) for rate in works]
