"""Numbers and terms as text, shared by report, decisions and log; free of drawing libraries.

Sentences on data and model are in `report.model_text`, those on levers in `levers.lever_text`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from studio_pipeline.evaluation.metrics.prediction_table import LABELS, Summary
from studio_pipeline.forecasting.base.hyperparameters import LEARNERS

DASH = "\N{EN DASH}"
"""Placeholder for a number that can't be computed."""


def per_cent(share: float, digits: int = 1) -> str:
    """0.123 as "12.3 %", a dash where it is not finite."""
    return f"{100 * share:.{digits}f} %" if math.isfinite(share) else DASH


def joined(names: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)


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
"""Term to its definition, in the form that follows a colon."""


def explained(terms: Iterable[str]) -> str:
    """Terms with their definitions in one line."""
    return "; ".join(f"{term}: {GLOSSARY[term]}" for term in terms)


NO_WEIGHT = 0.005
"""Weights below this are shown as zero."""


def learners_without_weight(summary: Summary) -> str:
    """A sentence if by `greatest_learner_weight` no learner has weight in any forecast; else empty."""
    if not summary.get("greatest_learner_weight", math.nan) < NO_WEIGHT:
        return ""
    names = joined([LABELS[name] for name in LEARNERS])
    return (
        f"None of the learners ({names}) has weight here: what they learned of the core's misses did not hold"
        " in months that were not learned from."
    )
