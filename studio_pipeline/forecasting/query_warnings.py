"""What a reader of an answer should know before trusting it."""

from __future__ import annotations

from collections.abc import Mapping

from studio_pipeline.forecasting.bounds import Range
from studio_pipeline.forecasting.queries import ForwardQuery
from studio_pipeline.forecasting.responses import Responses

_SHORT_HISTORY_MONTHS = 12
_OUTSIDE_SHARE = 0.05


def warnings_of(
    query: ForwardQuery, history_months: int, shown: Mapping[str, Range], responses: Responses
) -> tuple[str, ...]:
    """Sentences about history, levers outside what has been seen, and effects that rest on no data."""
    given = dict(query.levers)
    for step in query.lever_plan:
        given |= step.levers
    return (*_about_history(history_months), *_outside(given, shown), *_without_data(given, responses))


def _about_history(history_months: int) -> list[str]:
    if history_months == 0:
        return [
            "This studio has no history: the answer rests on studios of its type and on the levers given."
        ]
    if history_months < _SHORT_HISTORY_MONTHS:
        return [f"Only {history_months} months of this studio are known: its season is its type's."]
    return []


def _outside(given: Mapping[str, float], shown: Mapping[str, Range]) -> list[str]:
    found = []
    for lever, value in given.items():
        if lever not in shown:
            continue
        low, high = shown[lever]
        margin = _OUTSIDE_SHARE * max(abs(low), abs(high))
        if not low - margin <= value <= high + margin:
            found.append(f"{lever} {value:g} lies outside what the data have seen ({low:g} to {high:g}).")
    return found


def _without_data(given: Mapping[str, float], responses: Responses) -> list[str]:
    price = responses.effects.get("retention", {}).get("price")
    if "avg_ticket_price" in given and (price is None or price.source == "prior"):
        return [
            "The data don't show how members respond to the price: it is taken as not to change their number."
        ]
    return []
