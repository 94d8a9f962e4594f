"""Refit of an earlier recipe on the current months, for comparison with a changed recipe.

Fits and backtests a recipe outside the asset graph, and stores the result. The comparison and its consequence
are in `release_decision`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from studio_pipeline.evaluation.levers.lever_sweep import sweep_levers
from studio_pipeline.evaluation.levers.lever_text import sign_findings
from studio_pipeline.evaluation.metrics.backtest import backtest
from studio_pipeline.evaluation.metrics.metrics import EvaluationReport
from studio_pipeline.evaluation.metrics.summary import learner_weight
from studio_pipeline.evaluation.report.response_tables import lever_responses
from studio_pipeline.forecasting.backtest.core_backtest import fit_core
from studio_pipeline.forecasting.backtest.learner_backtest import fit_learner
from studio_pipeline.forecasting.base.hyperparameters import LEARNERS
from studio_pipeline.forecasting.ensemble.weights import fit_weights
from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline.forecasting.model.assembly import assemble_model
from studio_pipeline.forecasting.model.studio_model import Recipe, StudioModel
from studio_pipeline.panel.arrays import StudioPanel

_OUTCOME, _MODEL, _REPORT, _NATIVE = "refit.json", "model", "report", "native"


@dataclass(frozen=True)
class Refitted:
    """A recipe fitted on the current months, with its backtest."""

    recipe: Recipe
    model: StudioModel
    report: EvaluationReport
    lever_findings: tuple[str, ...] = ()  # clauses on levers with implausible signs
    native_models: Mapping[str, bytes] = field(default_factory=dict)  # by file name, in the libraries' form

    def write(self, folder: Path) -> None:
        """Store model, report and native models in folders of their own."""
        for name in (_MODEL, _NATIVE):
            (folder / name).mkdir()
        self.model.save(folder / _MODEL)
        self.report.write(folder / _REPORT)
        for name, native in self.native_models.items():
            (folder / _NATIVE / name).write_bytes(native)

    @classmethod
    def read(cls, folder: Path, recipe: Recipe, lever_findings: Sequence[str]) -> Refitted:
        """Read what `write` stored."""
        model, report = StudioModel.load(folder / _MODEL), EvaluationReport.read(folder / _REPORT)
        native = {path.name: path.read_bytes() for path in sorted((folder / _NATIVE).iterdir())}
        return cls(recipe, model, report, tuple(lever_findings), native)


@dataclass(frozen=True)
class ChampionRefit:
    """Refit of the champion's recipe on the current months, or the reason why there is none."""

    message: str  # the outcome and its reason in one sentence
    refitted: Refitted | None = None  # None if no refit was needed or possible
    obstacle: str = ""  # the reason why none was possible, a clause; else empty

    def write(self, folder: Path) -> None:
        """Store the refit as JSON, ONNX, Parquet and in the libraries' own formats."""
        one = self.refitted
        content = {
            "told": self.message,
            "obstacle": self.obstacle,
            "recipe": None if one is None else one.recipe.to_json(),
            "lever_findings": [] if one is None else list(one.lever_findings),
        }
        (folder / _OUTCOME).write_text(json.dumps(content, allow_nan=False), encoding="utf-8")
        if one is not None:
            one.write(folder)

    @classmethod
    def read(cls, folder: Path) -> ChampionRefit:
        """The inverse of `write`."""
        content = json.loads((folder / _OUTCOME).read_text(encoding="utf-8"))
        recipe, refitted = content["recipe"], None
        if recipe is not None:
            refitted = Refitted.read(folder, Recipe.from_json(recipe), content["lever_findings"])
        return cls(content["told"], refitted, content["obstacle"])


def refit(recipe: Recipe, panel: StudioPanel, features: pd.DataFrame, sign_tolerance: float) -> Refitted:
    """Fit a recipe without obstacle by the functions and the backtest of the configured one.

    `features` is the feature store of the panel; for `sign_tolerance` see `levers.lever_text.sign_findings`.
    """
    parameters = recipe.forecasting
    core = fit_core(panel, parameters)
    fits = [fit_learner(learner, panel, features, core, parameters) for learner in LEARNERS]
    weights = fit_weights(core, fits, parameters)
    model = assemble_model(panel, core, fits, weights, parameters)
    predictions = backtest(panel, core, fits, weights, parameters)
    report = EvaluationReport.from_predictions(predictions, learner_weight(weights.frame))
    responses = lever_responses(core.parameters.responses, panel)
    findings = sign_findings(responses, sweep_levers(Forecaster(model, panel)), sign_tolerance)
    native = {name: content for fit in fits for name, content in fit.native_models.items()}
    return Refitted(recipe, model, report, findings, native)
