"""From an insight to the JSON of the answer."""

from __future__ import annotations

from typing import Any

from serving.answers.narrator import Narrator
from serving.schemas.insights import InsightsRequest
from studio_pipeline.planning.insights.facts import Insight
from studio_pipeline.planning.insights.narrative import recommendation_text, template_summary
from studio_pipeline.publishing.releases import Release

TEMPLATE = "template"


async def summary_of(insight: Insight, studio_id: str, narrator: Narrator | None) -> tuple[str, str]:
    """A text and its source: the narrator's where there is one that has one to show, else the template's."""
    if narrator is not None:
        text = await narrator.write(insight.facts.as_dict())
        if text is not None:
            return text, narrator.source
    return template_summary(insight.facts, studio_id), TEMPLATE


def insight_answer(
    release: Release, request: InsightsRequest, insight: Insight, summary: tuple[str, str]
) -> dict[str, Any]:
    """The JSON of `schemas.insights.InsightsAnswer`."""
    facts = insight.facts.as_dict()
    drivers, steps = facts.pop("drivers"), facts.pop("recommendations")
    texts = [recommendation_text(step, insight.facts) for step in insight.facts.recommendations]
    text, source = summary
    return {
        "studio_id": request.studio_id,
        "scenario_id": request.scenario_id,
        "model_version": release.model_version,
        "data_version": release.data_version,
        "summary": text,
        "source": source,
        "drivers": drivers,
        "recommendations": [{**step, "action": action} for step, action in zip(steps, texts, strict=True)],
        "facts": {
            **facts,
            "base_month": f"{facts['base_month']}-01",
            "month": f"{facts['month']}-01",
        },
        "warnings": list(insight.warnings),
    }
