"""Sentences of the report on levers, and findings on the signs of their effects.

Labels of levers and interventions, and text from the tables of `lever_sweep` and `true_effects`. The findings
of `sign_findings` are used by `promotion.guard_rails`.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from studio_pipeline.evaluation.formatting import DASH, joined, per_cent
from studio_pipeline.evaluation.levers.true_effects import UNKNOWN_TRUTH, effect_errors
from studio_pipeline.evaluation.metrics.prediction_table import Summary
from studio_pipeline.evaluation.report.drawing import short_number
from studio_pipeline.evaluation.report.response_tables import RESPONDING_FLOWS

LEVER_LABELS: dict[str, str] = {
    "retention_rate": "Retention rate, a month",
    "avg_ticket_price": "Ticket price, currency a month",
    "new_members_monthly": "New members, a month",
    "total_classes_held": "Classes held, a month",
    "class_attendance_rate": "Class attendance rate",
    "staff_utilization_rate": "Staff utilisation rate",
    "upsell_rate": "Upsell rate",
    "current_member_count": "Members at the start",
}
"""Labels of levers in figures and tables, with units."""

INTERVENTION_LABELS: dict[str, str] = {
    "price_up_10": "price +10 %",
    "price_down_10": "price -10 %",
    "retention_up_2": "retention +2 points",
    "new_up_25": "new members +25 %",
    "classes_up_25": "classes +25 %",
}
"""Labels of interventions."""


def sweep_in_words(sweep: pd.DataFrame) -> list[str]:
    """Sentences on the typical studio, the strongest levers, and levers that its data don't support."""
    if sweep.empty:
        return ["No studio's data carry a lever, so nothing can be swept."]
    first = sweep.iloc[0]
    by_lever = sweep.groupby("lever")["revenue"]
    spans = {str(lever): float(span) for lever, span in (by_lever.max() - by_lever.min()).items()}
    strongest = sorted(spans, key=lambda lever: -spans[lever])[:3]
    strongest_text = [f"{_name(lever)} ({short_number(spans[lever])})" for lever in strongest]
    words = [
        f"The typical studio is {first['studio_id']}, the nearest to the median in revenue and members."
        f" With every lever free it is expected to take in {short_number(float(first['free_revenue']))} over"
        " the next twelve months.",
        f"Over the ranges drawn revenue changes most with {joined(strongest_text)}.",
    ]
    if missing := [_name(lever) for lever in LEVER_LABELS if lever not in spans]:
        words.append(f"Its data can't carry {joined(missing)}.")
    return words


def effects_in_words(effects: pd.DataFrame) -> list[str]:
    """Sentences on the errors of predicted effects, or on why there is no truth to compare with."""
    errors = effect_errors(effects)
    if errors.empty:
        return [UNKNOWN_TRUTH]
    order = errors.sort_values("effect_wape")
    best, worst = order.iloc[0], order.iloc[-1]
    off, right = per_cent(errors["effect_wape"].mean(), 0), per_cent(errors["sign_share"].mean(), 0)
    return [
        f"For {errors['studios'].max()} studios the generator gives the true effect of a lever."
        f" Over {len(errors)} interventions the predicted effect is off by {off} of the true one on average"
        f" (100 % is predicting no effect at all), and has the right sign in {right} of the months in which"
        " the true effect is worth noticing.",
        f"It is most right for {_off(best)} and least for {_off(worst)}, where the true effect averages"
        f" {per_cent(abs(worst['true_share']))} of revenue.",
    ]


def worse_than_none_in_words(effects: pd.DataFrame) -> list[str]:
    """A sentence for each intervention whose predicted effect is worse than predicting none."""
    errors = effect_errors(effects)
    return [
        f"Of {INTERVENTION_LABELS[row['intervention']]} the predicted effect is worse than predicting none:"
        f" off by {per_cent(row['effect_wape'], 0)} of the true one."
        for row in errors[errors["effect_wape"] > 1].to_dict("records")
    ]


def _off(error: pd.Series[Any]) -> str:
    return f"{INTERVENTION_LABELS[error['intervention']]} ({per_cent(error['effect_wape'], 0)} off)"


def levers_known_in_words(summary: Summary) -> str:
    """A sentence on the share of the yearly error that is due to unknown future levers."""
    names = [f"revenue_wape_1-12_levers_{kind}" for kind in ("free", "known")]
    if not all(name in summary for name in names):
        return "The backtest has no forecasts that were given the levers."
    free, known = (summary[name] for name in names)
    share = per_cent(1 - known / free, 0) if free > 0 else DASH
    return (
        "Given what the levers then did, the error of revenue over months 1-12 would have been"
        f" {per_cent(known)} instead of {per_cent(free)}: {share} of it is not knowing the levers."
    )


def _name(lever: str) -> str:
    return LEVER_LABELS[lever].split(",")[0].lower()


WINNING_LEVERS = ("retention_rate", "new_members_monthly", "upsell_rate", "current_member_count")
"""Levers of which more never costs revenue while all others are free.

The sign of price, classes, attendance and staff is undetermined: their gains may be offset by losses
elsewhere.
"""

AGAINST_THE_RULE = "against the rule"


def sign_findings(responses: pd.DataFrame, sweep: pd.DataFrame, tolerance: float) -> tuple[str, ...]:
    """Findings on the signs of a model's levers, one clause each.

    Args:
        responses: of `response_tables.lever_responses`; a used response against its sign rule is a finding.
        sweep: of `lever_sweep.sweep_levers`; for each of `WINNING_LEVERS`, a fall of a year's revenue by more
            than the tolerance from the lowest to the highest historical value is a finding.
        tolerance: share of the year's revenue, 0..1.
    """
    wrong = responses[responses["sign_rule"].str.endswith(AGAINST_THE_RULE)]
    findings = [
        f"the response of {RESPONDING_FLOWS[row['flow']]} to {row['responds_to']} is {row['sign_rule']}"
        for row in wrong.to_dict("records")
    ]
    shown = sweep[sweep["value"].between(sweep["shown_low"], sweep["shown_high"])]
    for lever in WINNING_LEVERS:
        rows = shown[shown["lever"] == lever].sort_values("value")
        if len(rows) < 2 or not rows["free_revenue"].iloc[0] > 0:
            continue
        first, last = rows.iloc[0], rows.iloc[-1]
        lost = float((first["revenue"] - last["revenue"]) / first["free_revenue"])
        if lost > tolerance:
            findings.append(f"more of {_name(lever)} would cost {per_cent(lost)} of a year's revenue")
    return tuple(findings)
