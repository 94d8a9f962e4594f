"""Fields of scenario answers: saved scenarios, second runs with their changes, and comparisons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import ValidationError

from serving.schemas.forward import ForwardRequest
from serving.schemas.scenarios import ScenarioAnswer
from serving.storage.scenarios import Scenario
from studio_pipeline.errors import InputError
from studio_pipeline.planning.scenarios import Comparison, ScenarioOutcome
from studio_pipeline.publishing.releases import Release


def scenario_answer(scenario: Scenario) -> dict[str, Any]:
    """The JSON of `schemas.scenarios.ScenarioAnswer`."""
    fields = vars(scenario) | {"release": scenario.release_version}
    return {name: fields[name] for name in ScenarioAnswer.model_fields}


def rerun_answer(scenario: Scenario, answer: Mapping[str, Any], release: Release) -> dict[str, Any]:
    """The JSON of `schemas.scenarios.RerunAnswer`: a saved scenario, and its request's answer now."""
    then, now = revenue_by_month(scenario.answer), revenue_by_month(answer)
    shared = [month for month in now if month in then]
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
        "changes": {
            "release": scenario.release_version != release.version,
            "model_version": scenario.model_version != release.model_version,
            "data_version": scenario.data_version != release.data_version,
            "base_month": scenario.base_month.isoformat() != answer["base_month"],
            "shared_months": shared,
            "revenue_difference": sum(now[month] - then[month] for month in shared) if shared else None,
        },
    }


def revenue_by_month(answer: Mapping[str, Any]) -> dict[str, float]:
    """Calendar month to revenue of a forward answer."""
    base = np.datetime64(answer["base_month"], "M")
    return {
        f"{base + int(name.removeprefix('month_'))}-01": entry["revenue"]
        for name, entry in answer["predictions"].items()
    }


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
    """The JSON of `schemas.scenarios.ComparisonAnswer`; scenarios are in the order of the comparison's."""
    months = [f"{month}-01" for month in comparison.months]
    pairs = zip(scenarios, comparison.scenarios, strict=True)
    return {
        "model_version": release.model_version,
        "data_version": release.data_version,
        "interval_level": comparison.level,
        "months": months,
        "scenarios": [_compared(scenario, outcome, months) for scenario, outcome in pairs],
        "chances": [
            {
                "scenario_id": one.id,
                "other_scenario_id": other.id,
                "chance": float(comparison.chance_ahead[row, column]),
                "month_chances": comparison.month_chance_ahead[:, row, column].tolist(),
            }
            for row, one in enumerate(scenarios)
            for column, other in enumerate(scenarios)
            if row != column
        ],
        "warnings": [sentence for scenario in scenarios if (sentence := _other_source(scenario, release))],
    }


def _other_source(scenario: Scenario, release: Release) -> str:
    """A sentence on a saved answer that came from another release or model; empty for one that did not."""
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


def _compared(scenario: Scenario, outcome: ScenarioOutcome, months: Sequence[str]) -> dict[str, Any]:
    columns = {
        "month": months,
        "revenue": outcome.revenue.tolist(),
        "confidence_interval": outcome.interval.tolist(),
        "member_count": outcome.member_count.tolist(),
        "difference": outcome.difference.tolist(),
        "difference_interval": outcome.difference_interval.tolist(),
    }
    return {
        "scenario_id": scenario.id,
        "name": scenario.name,
        "studio_id": outcome.studio_id,
        "base_month": f"{outcome.base_month}-01",
        "months": [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)],
        "total_revenue": outcome.total_revenue,
        "total_confidence_interval": outcome.total_interval,
        "total_difference": outcome.total_difference,
        "total_difference_interval": outcome.total_difference_interval,
        "warnings": outcome.warnings,
    }
