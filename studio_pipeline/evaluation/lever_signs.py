"""Whether levers work the way they must: what economics rules out is a reason to refuse a model."""

from __future__ import annotations

import pandas as pd

from studio_pipeline.evaluation.lever_words import LEVER_LABELS
from studio_pipeline.evaluation.response_tables import RESPONDING_FLOWS
from studio_pipeline.evaluation.wording import per_cent

WINNING_LEVERS = ("retention_rate", "new_members_monthly", "upsell_rate", "current_member_count")
"""More of these never costs revenue while all others are free. Of price, classes, attendance and staff nobody
can say: what they win in one place they may lose in another.
"""

AGAINST_THE_RULE = "against the rule"


def sign_findings(responses: pd.DataFrame, sweep: pd.DataFrame, tolerance: float) -> tuple[str, ...]:
    """What speaks against a model's levers, a clause each.

    Args:
        responses: of `response_tables.lever_responses`: one that is used against its rule is a finding.
        sweep: of `lever_sweep.sweep_levers`: a year's revenue must not fall by more than the tolerance from
            the lowest to the highest value that the typical studio has shown of a lever that can only win.
        tolerance: share of the year's revenue, 0..1.
    """
    return (*_responses_against_rules(responses), *_falling(sweep, tolerance))


def _responses_against_rules(responses: pd.DataFrame) -> list[str]:
    wrong = responses[responses["sign_rule"].str.endswith(AGAINST_THE_RULE)]
    return [
        f"the response of {RESPONDING_FLOWS[row['flow']]} to {row['responds_to']} is {row['sign_rule']}"
        for row in wrong.to_dict("records")
    ]


def _falling(sweep: pd.DataFrame, tolerance: float) -> list[str]:
    shown = sweep[sweep["value"].between(sweep["shown_low"], sweep["shown_high"])]
    findings = []
    for lever in WINNING_LEVERS:
        rows = shown[shown["lever"] == lever].sort_values("value")
        if len(rows) < 2:
            continue
        first, last = rows.iloc[0], rows.iloc[-1]
        lost = float((first["revenue"] - last["revenue"]) / first["free_revenue"])
        if lost > tolerance:
            name = LEVER_LABELS[lever].split(",")[0].lower()
            findings.append(f"more of {name} would cost {per_cent(lost)} of a year's revenue")
    return findings
