"""The model's own words, each explained once: in the report, and where columns are described."""

from __future__ import annotations

from collections.abc import Iterable

GLOSSARY: dict[str, str] = {
    "fullness": "how full classes were in the month before: their attendance rate",
    "crowding": "how far the class attendance rate lies above the rate from which on classes are crowded",
    "overwork": "how far staff utilisation lies above the rate from which on staff are overworked",
    "visits": "how many classes a member attends in a month, on average",
    "own level": "the target's own months, filtered to a level with a season by the same settings for all"
    ' studios, without who stays and who joins ("direct" in tables)',
    "own smoothing": "the target's own months, smoothed exponentially by settings that suit the studio itself"
    ' ("smoothing" in tables)',
}
"""Term to what it means, to be read after a colon."""


def explained(terms: Iterable[str]) -> str:
    """Terms and their meanings in one line."""
    return "; ".join(f"{term}: {GLOSSARY[term]}" for term in terms)
