"""Warnings of an answer: short history, unusual or contradictory levers, effects without data, late changes.

Contradictions are also limits of plans (`planning.inverse.limits`), which use the constants here. A query
that can't be answered at all is refused in `requests`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from studio_pipeline.forecasting.base.bounds import LEVER_BOUNDS, START_LEVER, Range
from studio_pipeline.forecasting.base.queries import ForwardQuery, LeverEffect
from studio_pipeline.forecasting.responses.regressors import RESPONDING

MOST_VISITS = 1.5
MOST_WORK = 1.5
CLEAR_RISE = 1.05
CLEAR_POINTS = 0.03
STANDARD_ERRORS = 2.0
BOLD_PRICE = 1.5
"""Thresholds from which levers contradict each other; plans keep below them."""

Levers = Mapping[str, float]
Shown = Mapping[str, Range]
Usual = Callable[[str], float]
"""Function from the name of a lever, `visits` (a member) or `class_capacity` to its level in the first
projected month with every lever free; NaN where unknown.
"""

Effects = Mapping[str, Mapping[str, LeverEffect]]
"""Flow (retention, acquisition) to regressor to the effect."""


def conflicts(held: Levers, shown: Shown, usual: Usual, effects: Effects) -> list[str]:
    """Sentences on contradictions among levers that hold at the same time."""
    found = [
        _empty_classes(held, usual),
        _overstretched_staff(held, usual),
        _retention_despite_price(held, usual, effects),
        _new_members_despite_price(held, shown, usual),
    ]
    return [sentence for sentence in found if sentence]


def _empty_classes(held: Levers, usual: Usual) -> str:
    """Attendance that needs many more visits a member than usual in the given classes."""
    rate = held.get("class_attendance_rate")
    if rate is None or not (held.keys() & {"total_classes_held", START_LEVER}):
        return ""
    classes = held.get("total_classes_held", usual("total_classes_held"))
    members = held.get(START_LEVER, usual(START_LEVER))
    usual_visits, capacity = usual("visits"), usual("class_capacity")
    needed = rate * classes * capacity / members if members > 0 else math.nan
    if not needed > MOST_VISITS * usual_visits:
        return ""
    return (
        f"class_attendance_rate {rate:g} in {classes:.0f} classes takes {needed:.1f} visits a member and "
        f"month, but members come {usual_visits:.1f} times: plan fewer classes or a lower rate."
    )


def _overstretched_staff(held: Levers, usual: Usual) -> str:
    """Classes and utilisation that together imply far more or far fewer paid hours than today's."""
    classes, utilization = held.get("total_classes_held"), held.get("staff_utilization_rate")
    if classes is None or not utilization:
        return ""
    today = usual("total_classes_held") / usual("staff_utilization_rate")
    work = classes / utilization / today if today > 0 else 1.0
    if 1 / MOST_WORK <= work <= MOST_WORK:
        return ""
    return (
        f"total_classes_held {classes:g} at staff_utilization_rate {utilization:g} takes {work:.1f} times "
        "today's paid hours: hire or let go accordingly, or change one of the two."
    )


def _retention_despite_price(held: Levers, usual: Usual, effects: Effects) -> str:
    """Retention clearly above the members' estimated response to the given price."""
    retention, price = held.get("retention_rate"), held.get("avg_ticket_price")
    response = effects.get("retention", {}).get("price")
    if retention is None or price is None or response is None:
        return ""
    ticket, today = usual("avg_ticket_price"), usual("retention_rate")
    if not price > CLEAR_RISE * ticket > 0 or not 0 < today < 1:
        return ""
    rise = math.log(price / ticket)
    expected = 1 / (1 + (1 - today) / today * math.exp(-response.effect * rise))
    error = expected * (1 - expected) * response.standard_error * rise
    if retention <= expected + max(STANDARD_ERRORS * error, CLEAR_POINTS):
        return ""
    return (
        f"At avg_ticket_price {price:g} members stay at a rate of about {expected:.3f}, not {retention:g}: "
        "leave retention_rate free, or plan what is to keep them."
    )


def _new_members_despite_price(held: Levers, shown: Shown, usual: Usual) -> str:
    """More new members than ever before at a price far above the usual one."""
    new, price = held.get("new_members_monthly"), held.get("avg_ticket_price")
    if new is None or price is None or "new_members_monthly" not in shown:
        return ""
    ticket, most = usual("avg_ticket_price"), shown["new_members_monthly"][1]
    if not (price >= BOLD_PRICE * ticket > 0 and new > most):
        return ""
    return (
        f"new_members_monthly {new:g} is more than ever (at most {most:g}) while the price is "
        f"{price / ticket:.1f} times today's: leave one of the two free to see what to expect."
    )


_SHORT_HISTORY_MONTHS = 12
_OUTSIDE_SHARE, _OUTSIDE_SPAN, _LEAST_POINTS = 0.05, 0.1, 0.005

RESTS_ON: Mapping[str, tuple[str, ...]] = {
    "avg_ticket_price": ("price",),
    "class_attendance_rate": ("fullness", "crowding"),
    "total_classes_held": ("fullness", "crowding", "overwork"),
    "staff_utilization_rate": ("overwork",),
}
"""Lever to the regressors through which members respond to it."""


class KnownOfStudio(NamedTuple):
    """Properties of a studio at its base month that warnings and intervals depend on."""

    history_months: int  # months up to the base month; 0 without history
    shown: Mapping[str, Range]  # lever to its smallest and largest value in the data
    effects: Effects  # flow to regressor to the response of its members
    usual: Usual  # its levels with every lever free
    has_type: bool = True  # whether the data contain studios of its type
    closed_since: np.datetime64 | None = None  # first month without revenue and members, if closed
    responds: bool = True  # whether members follow from retention and new members, and so respond


def warnings_of(query: ForwardQuery, known: KnownOfStudio) -> tuple[str, ...]:
    """Warnings of an answer as sentences.

    They cover a short history, levers outside the shown range, contradictions, effects that rest on a prior,
    and changes too late to take effect. A closed studio gets only the sentence on that.
    """
    if known.closed_since is not None:
        since = known.closed_since
        return (f"This studio has taken nothing since {since}: taken as closed, so every forecast is 0.",)
    found = _about_history(known)
    stages = _stages(query)
    for from_month, changed, held in stages:
        here = _outside(changed, known)
        if len(held) > 1:
            here += conflicts(held, known.shown, known.usual, known.effects)
        when = f"From month {from_month} on: " if from_month > 1 else ""
        # A sentence of an earlier stage also covers the later ones.
        found += [when + sentence for sentence in here if not any(sentence in earlier for earlier in found)]
    given = dict.fromkeys(lever for _, changed, _ in stages for lever in changed)
    return (
        *found,
        *filter(None, (_assumed(lever, known.effects) for lever in given if lever in RESTS_ON)),
        *_late_steps(query),
    )


Stage = tuple[int, Mapping[str, float], Mapping[str, float]]
"""First month of a stage, the levers that change in it, and all levers that hold in it."""


def _stages(query: ForwardQuery) -> list[Stage]:
    held: Mapping[str, float] = query.levers
    stages: list[Stage] = [(1, held, held)]
    for step in sorted(query.lever_plan, key=lambda step: step.from_month):
        held = {**held, **step.levers}
        stages.append((step.from_month, step.levers, held))
    return stages


def _about_history(known: KnownOfStudio) -> list[str]:
    if not known.history_months:
        rests = "studios of its type" if known.has_type else "all studios, as they show none of its type,"
        return [
            f"This studio has no history: the answer rests on {rests} and on the levers given. "
            "As all of them are given, members respond to none."
        ]
    if known.history_months < _SHORT_HISTORY_MONTHS:
        months = "1 month" if known.history_months == 1 else f"{known.history_months} months"
        return [f"Only {months} of this studio can be seen: its season is its type's."]
    return []


def _outside(given: Mapping[str, float], known: KnownOfStudio) -> list[str]:
    found, shown = [], known.shown
    who = "this studio has" if known.history_months else "the studios have"
    for lever, value in given.items():
        if lever not in shown:
            continue
        low, high = shown[lever]
        margin = _margin(lever, low, high)
        if not low - margin <= value <= high + margin:
            found.append(f"{lever} {value:g} lies outside what {who} shown so far ({low:g} to {high:g}).")
    return found


def _margin(lever: str, low: float, high: float) -> float:
    """Distance outside the shown range that still counts as inside.

    For rates it is a share of the range's width: 5 % of a retention of 0.97 would reach beyond 1.
    """
    if LEVER_BOUNDS[lever].is_rate:
        return max(_OUTSIDE_SPAN * (high - low), _LEAST_POINTS)
    return _OUTSIDE_SHARE * max(abs(low), abs(high))


def _assumed(lever: str, effects: Effects) -> str:
    """Sentence on a lever whose effect on retention and new members rests on a prior; else empty."""
    found = []
    for flow in RESPONDING:
        known = effects.get(flow, {})
        for name in RESTS_ON[lever]:
            if (effect := known.get(name)) is None:
                continue
            if effect.source != "prior":
                return ""
            found.append(effect)
    if any(effect.effect for effect in found):
        return (
            f"The data don't show how members respond to {lever}: an assumption stands in, so try the change "
            "in one studio or for a few months first."
        )
    return f"The data don't show how members respond to {lever}: it is taken as not to change their number."


def _late_steps(query: ForwardQuery) -> list[str]:
    """Sentence on changes in the last projected month, in which members' response hardly shows yet."""
    last = query.projection_months
    late = [step for step in query.lever_plan if step.from_month == last > 1]
    changed = [lever for step in late for lever in step.levers if lever in RESTS_ON]
    if not changed:
        return []
    return [
        f"The change of {' and '.join(changed)} comes in month {last}, the last that is projected: members "
        "respond over several months, so project more of them or look at an earlier start."
    ]
