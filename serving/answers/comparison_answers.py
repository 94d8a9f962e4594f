"""From a comparison of scenarios to the JSON of the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from studio_pipeline.planning.scenarios.comparison import Comparison, ScenarioOutcome

NamedScenario = tuple[str, str]
"""Id and name of a scenario."""


def comparison_answer(scenarios: Sequence[NamedScenario], comparison: Comparison) -> dict[str, Any]:
    """The JSON of `schemas.comparison.ComparisonAnswer` but for the versions, which the caller adds.

    Args:
        scenarios: in the order of the comparison's.
        comparison: of them.
    """
    months = [f"{month}-01" for month in comparison.months]
    pairs = zip(scenarios, comparison.scenarios, strict=True)
    return {
        "interval_level": comparison.level,
        "months": months,
        "scenarios": [_scenario(named, outcome, months) for named, outcome in pairs],
        "chances": _chances([scenario_id for scenario_id, _ in scenarios], comparison),
        "warnings": [],
    }


def _scenario(named: NamedScenario, outcome: ScenarioOutcome, months: Sequence[str]) -> dict[str, Any]:
    return {
        "scenario_id": named[0],
        "name": named[1],
        "studio_id": outcome.studio_id,
        "base_month": f"{outcome.base_month}-01",
        "months": _months(outcome, months),
        "total_revenue": outcome.total_revenue,
        "total_confidence_interval": list(outcome.total_interval),
        "total_difference": outcome.total_difference,
        "total_difference_interval": list(outcome.total_difference_interval),
        "warnings": list(outcome.warnings),
    }


def _months(outcome: ScenarioOutcome, months: Sequence[str]) -> list[dict[str, Any]]:
    columns = {
        "revenue": outcome.revenue,
        "confidence_interval": outcome.interval,
        "member_count": outcome.member_count,
        "difference": outcome.difference,
        "difference_interval": outcome.difference_interval,
    }
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    return [
        {"month": month, **dict(zip(columns, row, strict=True))}
        for month, row in zip(months, rows, strict=True)
    ]


def _chances(scenario_ids: Sequence[str], comparison: Comparison) -> list[dict[str, Any]]:
    return [
        {
            "scenario_id": one,
            "other_scenario_id": other,
            "chance": float(comparison.chance_ahead[row, column]),
            "month_chances": comparison.month_chance_ahead[:, row, column].tolist(),
        }
        for row, one in enumerate(scenario_ids)
        for column, other in enumerate(scenario_ids)
        if row != column
    ]
