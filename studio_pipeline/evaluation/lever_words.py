"""The report's sentences on levers, each computed from the numbers."""

from __future__ import annotations

from typing import Any

import pandas as pd

from studio_pipeline.evaluation.candidates import Summary
from studio_pipeline.evaluation.drawing import short_number
from studio_pipeline.evaluation.true_effects import UNKNOWN_TRUTH, effect_errors
from studio_pipeline.evaluation.wording import DASH, joined, per_cent

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
"""How a lever is called in pictures and tables, with its unit."""

INTERVENTION_LABELS: dict[str, str] = {
    "price_up_10": "price +10 %",
    "price_down_10": "price -10 %",
    "retention_up_2": "retention +2 points",
    "new_up_25": "new members +25 %",
    "classes_up_25": "classes +25 %",
}
"""How an intervention is called."""


def sweep_in_words(sweep: pd.DataFrame) -> list[str]:
    """Who the typical studio is, what each lever spans, and which levers its data can't carry."""
    if sweep.empty:
        return ["No studio's data carry a lever, so nothing can be swept."]
    first = sweep.iloc[0]
    free = short_number(float(first["free_revenue"]))
    words = [
        f"The typical studio is {first['studio_id']}, the nearest to the median in revenue and members."
        f" With every lever free it is expected to take in {free} over the next twelve months."
    ]
    spans = {
        str(lever): float(rows["revenue"].max() - rows["revenue"].min())
        for lever, rows in sweep.groupby("lever")
    }
    strongest = sorted(spans, key=lambda lever: -spans[lever])[:3]
    told = [f"{_name(lever)} ({short_number(spans[lever])})" for lever in strongest]
    words.append(f"Over the ranges drawn revenue changes most with {joined(told)}.")
    missing = [_name(lever) for lever in LEVER_LABELS if lever not in spans]
    if missing:
        words.append(f"Its data can't carry {joined(missing)}.")
    return words


def effects_in_words(effects: pd.DataFrame) -> list[str]:
    """How right predicted effects are, or why nobody can say."""
    errors = effect_errors(effects)
    if errors.empty:
        return [UNKNOWN_TRUTH]
    order = errors.sort_values("effect_wape")
    best, worst = order.iloc[0], order.iloc[-1]
    off, right = per_cent(errors["effect_wape"].mean(), 0), per_cent(errors["sign_share"].mean(), 0)
    return [
        f"For {errors['studios'].max()} studios the generator says what a lever would in truth have done."
        f" Over {len(errors)} interventions the predicted effect is off by {off} of the true one on average"
        f" (100 % is predicting no effect at all), and has the right sign in {right} of the months in which"
        " the true effect is worth noticing.",
        f"It is most right for {_off(best)} and least for {_off(worst)}, where the true effect averages"
        f" {per_cent(abs(worst['true_share']))} of revenue.",
    ]


def worse_than_none_in_words(effects: pd.DataFrame) -> list[str]:
    """A sentence an intervention whose predicted effect is further off than predicting none."""
    errors = effect_errors(effects)
    return [
        f"Of {INTERVENTION_LABELS[row['intervention']]} the predicted effect is worse than predicting none:"
        f" off by {per_cent(row['effect_wape'], 0)} of the true one."
        for row in errors[errors["effect_wape"] > 1].to_dict("records")
    ]


def _off(error: pd.Series[Any]) -> str:
    return f"{INTERVENTION_LABELS[error['intervention']]} ({per_cent(error['effect_wape'], 0)} off)"


def levers_known_in_words(summary: Summary) -> str:
    """How much of the error over a year is not knowing what the levers will do."""
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
