"""What to do, in sentences: the changes of a plan with what each of them brings and takes."""

from __future__ import annotations

from collections.abc import Mapping

from studio_pipeline.forecasting.known_levers import HELD_LEVERS
from studio_pipeline.panel.arrays import FloatArray
from studio_pipeline.planning.levers import RATES, RESPONDING
from studio_pipeline.planning.plan_queries import Action

_NAMES: Mapping[str, str] = {
    "retention_rate": "the share of members who stay each month",
    "avg_ticket_price": "the monthly ticket",
    "class_attendance_rate": "class attendance",
    "new_members_monthly": "the members who join each month",
    "staff_utilization_rate": "staff utilisation",
    "upsell_rate": "the share of members who buy an extra",
    "total_classes_held": "the classes held a month",
}


def actions(
    plan: FloatArray,
    present: FloatArray,
    efforts: FloatArray,
    impacts: Mapping[int, float],
    weeks: Mapping[str, float],
) -> tuple[Action, ...]:
    """The action plan: what is done by what it brings, then what only responds.

    Args:
        plan: (7,) levers as planned.
        present: (7,) levers as they are.
        efforts: (7,) what is done about each.
        impacts: place to share of the gain, of those that change; currency.
        weeks: lever to its lead time.
    """
    places = [k for k in range(len(HELD_LEVERS)) if efforts[k] > 0 or plan[k] != present[k]]
    places.sort(key=lambda k: (not efforts[k] > 0, -impacts.get(k, 0.0)))
    slowest = max((weeks[HELD_LEVERS[k]] for k in places if efforts[k] > 0), default=0.0)
    return tuple(
        Action(
            priority=priority,
            lever=HELD_LEVERS[place],
            action=_sentence(place, plan[place], present[place], efforts[place]),
            expected_impact=impacts.get(place, 0.0),
            timeline_weeks=weeks[HELD_LEVERS[place]] if efforts[place] > 0 else slowest,
        )
        for priority, place in enumerate(places, 1)
    )


def _sentence(place: int, planned: float, now: float, effort: float) -> str:
    name = _NAMES[HELD_LEVERS[place]]
    before, after = shown_pair(place, now, planned)
    if not effort > 0:
        way = "fall" if planned < now else "rise"
        return f"Expect {name} to {way} from {before} to {after} in response to the other changes."
    if place in RESPONDING and planned <= now:
        without = shown(place, planned - effort)
        start = "Hold" if planned == now else "Limit the fall of"
        end = f"at {after}" if planned == now else f"from {before} to {after}"
        return f"{start} {name} {end}: without effort the other changes would take it to {without}."
    return f"{'Raise' if planned > now else 'Lower'} {name} from {before} to {after}."


def shown(place: int, value: float, digits: int | None = None) -> str:
    """A lever's value for people: rates in per cent, members and classes mostly whole, money to the cent."""
    if place in RATES:
        return f"{100 * value:.{2 if digits is None else digits}f}".rstrip("0").rstrip(".") + " %"
    figures = f"{value:.{2 if digits is None else digits}f}"
    return figures.rstrip("0").rstrip(".") if "." in figures else figures


def shown_pair(place: int, now: float, planned: float) -> tuple[str, str]:
    """Both values with as many digits as it takes to tell them apart."""
    for digits in (2, 3, 4, 6, 9):
        pair = shown(place, now, digits), shown(place, planned, digits)
        if pair[0] != pair[1] or now == planned:
            break
    return pair
