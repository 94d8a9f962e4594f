"""Fields of scenario answers: saved scenarios, second runs with their changes, and comparisons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from serving.schemas.forward import ForwardRequest
from serving.storage.scenarios import Scenario
from studio_pipeline.errors import InputError
from studio_pipeline.planning.scenarios import Comparison, ScenarioOutcome
from studio_pipeline.publishing.releases import Release

NamedScenario = tuple[str, str]
"""Id and name of a scenario."""


def scenario_answer(scenario: Scenario) -> dict[str, Any]:
    """The JSON of `schemas.scenarios.ScenarioAnswer`."""
    return {
        "id": scenario.id,
        "name": scenario.name,
        "studio_id": scenario.studio_id,
        "request": scenario.request,
        "answer": scenario.answer,
        "model_version": scenario.model_version,
        "data_version": scenario.data_version,
        "release": scenario.release_version,
        "base_month": scenario.base_month.isoformat(),
        "created_at": scenario.created_at.isoformat(),
    }


def rerun_answer(scenario: Scenario, answer: Mapping[str, Any], release: Release) -> dict[str, Any]:
    """The JSON of `schemas.scenarios.RerunAnswer`.

    Args:
        scenario: as it was saved.
        answer: of the same request now.
        release: that the answer comes from.
    """
    return {
        "id": scenario.id,
        "name": scenario.name,
        "answer": answer,
        "saved": {
            "release": scenario.release_version,
            "model_version": scenario.model_version,
            "data_version": scenario.data_version,
            "base_month": scenario.base_month.isoformat(),
            "total_projected_revenue": scenario.answer["total_projected_revenue"],
        },
        "changes": _changes(scenario, answer, release),
    }


def _changes(scenario: Scenario, answer: Mapping[str, Any], release: Release) -> dict[str, Any]:
    """The JSON of `schemas.scenarios.ScenarioChange`."""
    then, now = revenue_by_month(scenario.answer), revenue_by_month(answer)
    shared = [month for month in now if month in then]
    return {
        "release": scenario.release_version != release.version,
        "model_version": scenario.model_version != release.model_version,
        "data_version": scenario.data_version != release.data_version,
        "base_month": scenario.base_month.isoformat() != answer["base_month"],
        "shared_months": shared,
        "revenue_difference": sum(now[month] - then[month] for month in shared) if shared else None,
    }


def revenue_by_month(answer: Mapping[str, Any]) -> dict[str, float]:
    """Calendar month to revenue of a forward answer."""
    year, month, _ = map(int, answer["base_month"].split("-"))
    base = 12 * year + month - 1
    return {
        "{:04d}-{:02d}-01".format(*_calendar(base + int(name.removeprefix("month_")))): entry["revenue"]
        for name, entry in answer["predictions"].items()
    }


def _calendar(months: int) -> tuple[int, int]:
    """Year and month of a count of months."""
    return months // 12, months % 12 + 1


def request_of(scenario: Scenario) -> ForwardRequest:
    """The forward request of a scenario.

    Raises:
        InputError: it was saved by a version whose requests were different.
    """
    try:
        return ForwardRequest.model_validate(scenario.request)
    except ValidationError as error:
        raise InputError(
            f"The request of scenario {scenario.id!r} is not one that this version takes.",
            "Save it anew from a request of today.",
        ) from error


def compared_answer(
    scenarios: Sequence[Scenario], comparison: Comparison, release: Release
) -> dict[str, Any]:
    """The JSON of `schemas.comparison.ComparisonAnswer`.

    Args:
        scenarios: in the order of the comparison's.
        comparison: of them, from `release`.
        release: that answered.
    """
    answer = comparison_answer([(scenario.id, scenario.name) for scenario in scenarios], comparison)
    return {
        "model_version": release.model_version,
        "data_version": release.data_version,
        **answer,
        "warnings": [*answer["warnings"], *_release_warnings(scenarios, release)],
    }


def _release_warnings(scenarios: Sequence[Scenario], release: Release) -> list[str]:
    """One sentence for each scenario whose saved answer came from another release or model than these."""
    return [sentence for scenario in scenarios if (sentence := _other_source(scenario, release))]


def _other_source(scenario: Scenario, release: Release) -> str:
    so = "so that its figures may differ from the saved ones"
    if scenario.release_version != release.version:
        return (
            f"{scenario.name!r} was saved from release {scenario.release_version}; here it is run on release"
            f" {release.version}, {so}."
        )
    if scenario.model_version != release.model_version:
        return (
            f"{scenario.name!r} was answered by model {scenario.model_version}; here all are run on model"
            f" {release.model_version}, {so}."
        )
    return ""


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
