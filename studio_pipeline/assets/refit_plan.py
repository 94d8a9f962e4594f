"""Whether the champion's recipe is fitted again, and why or why not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from studio_pipeline.assets.champion import fault_of, known_recipe
from studio_pipeline.assets.results import numbers
from studio_pipeline.evaluation.refitting import Refitted
from studio_pipeline.forecasting.recipe import Recipe
from studio_pipeline.publishing.releases import Release
from studio_pipeline.settings import Settings


@dataclass(frozen=True)
class RefitPlan:
    """What to fit.

    Attributes:
        told: one sentence on why.
        recipe: None where nothing is to be fitted.
        obstacle: why it can't be, a clause; empty where nothing is in the way.
    """

    told: str
    recipe: Recipe | None = None
    obstacle: str = ""


def refit_plan(settings: Settings, champion: Release | None, configured: Recipe) -> RefitPlan:
    """Fit the champion's recipe again where it is known, differs from the configured one, and can be."""
    if champion is None:
        return RefitPlan("Nothing is published from such months yet, so there is no recipe to beat.")
    name = f"model {champion.model_version}"
    if fault := fault_of(settings, champion.model_version):
        return RefitPlan(f"The recipe of {name} is not fitted again: {fault}.", obstacle=fault)
    known = known_recipe(settings, champion.model_version)
    if known.version == configured.version:
        return RefitPlan(f"The recipe is that of {name}, so there is none to beat.")
    if known.recipe is None or known.obstacle:
        told = f"The recipe of {name} can't be fitted again: {known.obstacle}."
        return RefitPlan(told, obstacle=known.obstacle)
    told = f"The recipe {known.version} of {name} is fitted again, as {configured.version} has to beat it."
    return RefitPlan(told, known.recipe)


def refit_metadata(told: str, refitted: Refitted | None) -> dict[str, Any]:
    """The sentence, and how good the refit is where there is one."""
    summary = {} if refitted is None else refitted.report.summary
    return {"in_words": told, "refitted": refitted is not None, **numbers(summary)}
