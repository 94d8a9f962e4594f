"""Texts of an insight: templates with named placeholders, and the formatted figures that fill them.

The placeholders are also those of texts that a language model writes; the service refuses such a text if it
has numbers of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence

import numpy as np

from studio_pipeline.planning.insights.facts import Facts
from studio_pipeline.planning.insights.recommendations import Recommendation

_LARGE, _MIDDLING = 1000.0, 10.0


def amount(value: float) -> str:
    """Formats money: whole numbers from 1,000 on, else two decimals."""
    return _without_negative_zero(f"{value:,.0f}" if abs(value) >= _LARGE else f"{value:,.2f}")


def count(value: float) -> str:
    """Formats members and classes: whole numbers from 10 on, else one decimal."""
    digits = 0 if abs(value) >= _MIDDLING or value == round(value) else 1
    return _without_negative_zero(f"{value:,.{digits}f}")


def percent(rate: float) -> str:
    """Formats a rate 0..1 as percent with at most one decimal."""
    return _without_negative_zero(f"{100 * rate:,.1f}".removesuffix(".0")) + " %"


def _without_negative_zero(shown: str) -> str:
    return shown[1:] if shown.startswith("-") and not shown.strip("-0.,") else shown


_LEVERS: dict[str, tuple[str, Callable[[float], str]]] = {
    "avg_ticket_price": ("the monthly ticket", amount),
    "retention_rate": ("the monthly retention", percent),
    "new_members_monthly": ("the new members of a month", count),
    "class_attendance_rate": ("the attendance of classes", percent),
    "total_classes_held": ("the classes of a month", count),
    "staff_utilization_rate": ("the utilisation of staff", percent),
    "upsell_rate": ("the share of members who buy extras", percent),
}
_DRIVERS = {
    "members_in": "members who join",
    "members_out": "members who leave",
    "members": "the change in members",
    "starting_members": "the members to start with",
    "price": "what members pay for their membership",
    "mix": "what members buy besides",
    "level": "the level of revenue",
    "season": "the season",
    "model_correction": "what the model corrects",
}
_WHERE_KNOWN: dict[str, Callable[[float], str]] = {
    **dict.fromkeys(("members_then", "members", "joined", "left"), count),
    "usual_error": percent,
    "gain_of_levers": amount,
}
_STEP = (
    "{step}. Before its cost that brings about {step_gain} over {months} "
    "({level} interval {step_gain_low} to {step_gain_high})."
)


def figures(facts: Facts, step: Recommendation | None = None) -> dict[str, str]:
    """Placeholder to its figure as text; figures that are unknown have none.

    Placeholders that begin with `step` refer to that step, by default to the first recommendation.
    """
    months = facts.projection_months
    ranges = {"revenue": facts.interval, "gain_of_levers": facts.gain_interval}
    found = {
        **{name: f"{np.datetime64(getattr(facts, name)).item():%B %Y}" for name in ("base_month", "month")},
        "months": f"{months} month" if months == 1 else f"{months} months",
        "level": percent(facts.interval_level),
        "revenue_then": amount(facts.revenue_then),
        "revenue": amount(facts.revenue),
    }
    if facts.growth is not None:
        found["growth"] = f"{'up' if facts.growth >= 0 else 'down'} {percent(abs(facts.growth))}"
    for name, shown in _WHERE_KNOWN.items():
        if (value := getattr(facts, name)) is not None:
            found[name] = shown(value)
    for driver in facts.drivers:
        found[f"{'gain' if driver.amount > 0 else 'loss'}_from_{driver.name}"] = amount(abs(driver.amount))
    if step := step or next(iter(facts.recommendations), None):
        lever, shown = _LEVERS[step.lever]
        verb = "Raise" if step.proposed > step.current else "Lower"
        found["step"] = f"{verb} {lever} from {shown(step.current)} to {shown(step.proposed)}"
        found["step_gain"] = amount(step.gain)
        ranges["step_gain"] = step.gain_interval
    for name, interval in ranges.items():
        if interval is not None:
            found[f"{name}_low"], found[f"{name}_high"] = map(amount, interval)
    return found


def recommendation_text(step: Recommendation, facts: Facts) -> str:
    """One recommendation as two sentences."""
    return _STEP.format_map(figures(facts, step))


def template_summary(facts: Facts, studio_id: str) -> str:
    """Summary of the facts in a few sentences."""
    known = figures(facts)
    if not facts.revenue and not facts.revenue_then:
        template = (
            "Studio {studio} has taken nothing in {base_month} and is taken as closed: "
            "its forecast for {month} is {revenue}."
        )
    else:
        template = " ".join(_sentences(facts, known))
    return template.format_map({"studio": studio_id, **known})


def _sentences(facts: Facts, known: Container[str]) -> list[str]:
    growth = ", {growth}" if "growth" in known else ""
    moves = ", with about {joined} joining and {left} leaving" if "joined" in known else ""
    found = [
        "Studio {studio} took {revenue_then} in {base_month}; for {month} the forecast is {revenue}"
        f"{growth}, with {{level}} of what may happen between {{revenue_low}} and {{revenue_high}}."
    ]
    drivers = sorted(facts.drivers, key=lambda driver: -abs(driver.amount))
    gained = [f"{{gain_from_{d.name}}} from {_DRIVERS[d.name]}" for d in drivers if d.amount > 0]
    lost = [f"{{loss_from_{d.name}}} from {_DRIVERS[d.name]}" for d in drivers if d.amount < 0]
    ways = [f"{verb} {_listed(some)}" for verb, some in (("gains", gained), ("loses", lost)) if some]
    if ways:
        found.append(f"On the way revenue {' and '.join(ways)}.")
    if "members_then" in known and "members" in known:
        found.append(f"Members go from {{members_then}} to about {{members}}{moves}.")
    if "gain_of_levers" in known:
        found.append(
            "The levers of this scenario change revenue by {gain_of_levers} over {months} ({level} interval "
            "{gain_of_levers_low} to {gain_of_levers_high})."
        )
    found.append(_STEP if "step" in known else "Of small steps of the levers nothing stands out.")
    if "usual_error" in known:
        found.append("Over {months}, forecasts of this model missed revenue by {usual_error} in backtests.")
    return found


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
