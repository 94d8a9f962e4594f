"""How a decision tells the comparison that it rests on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from studio_pipeline.evaluation.paired_errors import ErrorDifference
from studio_pipeline.evaluation.promotion import PromotionRules
from studio_pipeline.evaluation.wording import per_cent


def told(findings: Sequence[str]) -> str:
    """Clauses in a row."""
    return "; ".join(findings)


def beside(differences: Mapping[str, ErrorDifference], rules: PromotionRules, opponent: str) -> str:
    """The deciding difference, its interval, and what could have been told: a clause."""
    span = rules.spans[-1]
    difference = differences.get(span)
    if difference is None or not math.isfinite(difference.difference):
        return f"there is no backtest that it shares forecasts with of {opponent}"
    words = f"over months {span} it errs {told_difference(difference)} than {opponent}"
    if not math.isfinite(difference.lower):
        return f"{words}; {difference.n_origins} shared origins are too few to tell that from noise"
    return (
        f"{words} ({per_cent(rules.interval_level, 0)} interval {_signed(difference.lower)} to"
        f" {_signed(difference.upper)}, paired over {difference.n_studios} studios and {difference.n_origins}"
        f" origins; a difference of {per_cent(difference.detectable)} would be told in 80 of 100 cases)"
    )


def told_difference(difference: ErrorDifference) -> str:
    """ "4.2 % less"."""
    side = "less" if difference.difference < 0 else "more"
    return f"{per_cent(abs(difference.difference))} {side}"


def _signed(share: float) -> str:
    return f"{100 * share:+.1f} %"
