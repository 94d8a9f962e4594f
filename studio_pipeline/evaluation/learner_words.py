"""Whether the learners count at all, in words; apart from the report's others, which draw as well."""

from __future__ import annotations

import math

from studio_pipeline.evaluation.candidates import LABELS, LEARNERS, Summary
from studio_pipeline.evaluation.wording import joined

NO_WEIGHT = 0.005
"""A weight below it is shown as zero."""


def learners_without_weight(summary: Summary) -> str:
    """That no learner counts in any forecast, where it is so; else empty.

    Args:
        summary: with `greatest_learner_weight`, as `summary.learner_weight` finds it.
    """
    if not summary.get("greatest_learner_weight", math.nan) < NO_WEIGHT:
        return ""
    names = joined([LABELS[name] for name in LEARNERS])
    return (
        f"None of the learners ({names}) has weight here: what they learned of the core's misses did not hold"
        " in months that were not learned from."
    )
