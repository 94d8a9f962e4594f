"""Narrative of facts as text, and the check that a text contains no number but the facts.

The text is built from templates; texts of other origin (a language model's) are checked by `unknown_numbers`.
Numbers are read from a text in `numbers_in_text`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from studio_pipeline.planning.formatting import amount, count, month_name, percent, step_sentence
from studio_pipeline.planning.insights.facts import Facts
from studio_pipeline.planning.insights.numbers_in_text import WrittenNumber, numbers_in
from studio_pipeline.planning.insights.recommendations import Recommendation

_ROUNDING = 1e-12
_MONTH = re.compile(r"\d{4}-\d{2}(-01)?")
_RATES = ("growth", "share", "interval_level", "usual_error", "chance_of_gain")
_LEVER_VALUES = ("current", "given", "proposed")
_RATE_TOLERANCE = 0.0051

_FROM = {
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


def unknown_numbers(text: str, facts: Mapping[str, Any], names: Sequence[str] = ()) -> list[str]:
    """Numbers in a text that match none of the facts, as written there.

    A number matches a fact that rounds to the digits shown. Percent and points match only rates and shares;
    a plain number matches these only with at least two decimals. A signed number must have the fact's sign. A
    month must be one of the facts' months.

    Args:
        text: of any origin.
        facts: plain data of any depth; numbers, and months as YYYY-MM.
        names: names that are ignored after the word "studio", whatever digits they contain.
    """
    leaves = list(_leaves(facts))
    return [number.text for number in numbers_in(text, names) if not _is_known(number, leaves)]


@dataclass(frozen=True)
class _Leaf:
    """One fact: a number, or a month, whose year also counts as a number."""

    value: float
    is_rate: bool = False
    month: str | None = None


def _leaves(facts: object, is_rate: bool = False) -> Iterator[_Leaf]:
    if isinstance(facts, Mapping):
        of_rate = str(facts.get("lever", "")).endswith("_rate")
        for name, value in facts.items():
            yield from _leaves(value, name in _RATES or (of_rate and name in _LEVER_VALUES))
    elif isinstance(facts, str):
        if _MONTH.fullmatch(facts):
            yield _Leaf(float(facts[:4]), month=facts[:7])
    elif isinstance(facts, Sequence):
        for value in facts:
            yield from _leaves(value, is_rate)
    elif isinstance(facts, (int, float)) and not isinstance(facts, bool):
        yield _Leaf(float(facts), is_rate)


def _is_known(number: WrittenNumber, leaves: Sequence[_Leaf]) -> bool:
    if number.month is not None:
        return any(number.month == leaf.month for leaf in leaves)
    may_be_rate = number.tolerance <= _RATE_TOLERANCE
    return any(
        _is_near(number, value, leaf.value)
        for leaf in leaves
        if (may_be_rate if leaf.is_rate else not number.is_percent)
        for value in number.values
    )


def _is_near(number: WrittenNumber, value: float, fact: float) -> bool:
    written, known = (value, fact) if number.is_signed else (abs(value), abs(fact))
    return abs(written - known) <= number.tolerance + _ROUNDING * abs(known)


def template_summary(facts: Facts, studio_id: str) -> str:
    """Summary of the facts in a few sentences."""
    if not facts.revenue and not facts.revenue_then:
        return (
            f"Studio {studio_id} has taken nothing in {month_name(facts.base_month)} and is taken as closed: "
            f"its forecast for {month_name(facts.month)} is {amount(facts.revenue)}."
        )
    sentences = [
        _forecast(facts, studio_id),
        _drivers(facts),
        _members(facts),
        _scenario(facts),
        _best_step(facts.recommendations, facts),
        _accuracy(facts),
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def recommendation_text(step: Recommendation, facts: Facts) -> str:
    """One recommendation as a sentence or two."""
    low, high = step.gain_interval
    return (
        f"{step_sentence(step)} Before its cost that brings about {amount(step.gain)} over "
        f"{_months(facts.projection_months)} ({percent(facts.interval_level)} interval {amount(low)} to "
        f"{amount(high)})."
    )


def _forecast(facts: Facts, studio_id: str) -> str:
    low, high = facts.interval
    growth = "" if facts.growth is None else f", {_direction(facts.growth)} {percent(abs(facts.growth))}"
    return (
        f"Studio {studio_id} took {amount(facts.revenue_then)} in {month_name(facts.base_month)}; for "
        f"{month_name(facts.month)} the forecast is {amount(facts.revenue)}{growth}, with "
        f"{percent(facts.interval_level)} of what may happen between {amount(low)} and {amount(high)}."
    )


def _direction(change: float) -> str:
    return "up" if change >= 0 else "down"


def _drivers(facts: Facts) -> str:
    adding = sorted((d for d in facts.drivers if d.amount > 0), key=lambda d: -d.amount)
    taking = sorted((d for d in facts.drivers if d.amount < 0), key=lambda d: d.amount)
    gained = [f"{amount(d.amount)} from {_FROM[d.name]}" for d in adding]
    lost = [f"{amount(-d.amount)} from {_FROM[d.name]}" for d in taking]
    parts = [f"{verb} {_listed(some)}" for verb, some in (("gains", gained), ("loses", lost)) if some]
    return f"On the way revenue {' and '.join(parts)}." if parts else ""


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _members(facts: Facts) -> str:
    if facts.members_then is None or facts.members is None:
        return ""
    moves = (
        ""
        if facts.joined is None or facts.left is None
        else f", with about {count(facts.joined)} joining and {count(facts.left)} leaving"
    )
    return f"Members go from {count(facts.members_then)} to about {count(facts.members)}{moves}."


def _scenario(facts: Facts) -> str:
    if facts.gain_of_levers is None or facts.gain_interval is None:
        return ""
    low, high = facts.gain_interval
    return (
        f"The levers of this scenario change revenue by {amount(facts.gain_of_levers)} over "
        f"{_months(facts.projection_months)} ({percent(facts.interval_level)} interval {amount(low)} to "
        f"{amount(high)})."
    )


def _best_step(steps: Sequence[Recommendation], facts: Facts) -> str:
    return (
        recommendation_text(steps[0], facts) if steps else "Of small steps of the levers nothing stands out."
    )


def _accuracy(facts: Facts) -> str:
    if facts.usual_error is None:
        return ""
    return (
        f"Over {_months(facts.projection_months)}, forecasts of this model missed revenue by "
        f"{percent(facts.usual_error)} in backtests."
    )


def _months(months: int) -> str:
    return f"{months} month" if months == 1 else f"{months} months"
