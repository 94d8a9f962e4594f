"""Asset `tuned_hyperparameters`: values found by a search within a budget, used by the next refresh.

It is materialised by the job `tune_learners` only. The search and its verdicts are in the package `tuning`.
"""

from typing import Any

import dagster as dg
import pandas as pd

from studio_pipeline.assets.model_fits import GROUP
from studio_pipeline.configuration import Configuration
from studio_pipeline.errors import SettingsError
from studio_pipeline.evaluation.report.model_figures import search_history
from studio_pipeline.panel.frames import panel_from_frame
from studio_pipeline.resources.asset_results import (
    OWNERS,
    content_sha,
    numbers,
    picture,
    rows_metadata,
    sentences,
)
from studio_pipeline.settings import Settings
from studio_pipeline.tuning.learner_tuning import tune_learners
from studio_pipeline.tuning.result import IMPORTANCE_COLUMNS, TRIAL_COLUMNS, TunedHyperparameters
from studio_pipeline.tuning.spaces import Values
from studio_pipeline.tuning.values import ASSET, read_tuned_values
from studio_pipeline.tuning.verdicts import VERDICT_COLUMNS, verdict_table

MOST_TRIALS_SHOWN = 300


@dg.asset(
    name=ASSET,
    group_name=GROUP,
    description="Hyperparameters that beat the learners' defaults beyond noise; the defaults where none do.",
    kinds={"optuna"},
    owners=OWNERS,
    tags={"stage": GROUP},
    code_version="1",
)
def tuned_hyperparameters(
    context: dg.AssetExecutionContext,
    validated_studio_months: pd.DataFrame,
    settings: dg.ResourceParam[Settings],
    configuration: dg.ResourceParam[Configuration],
) -> Any:
    """Search hyperparameters, and compare the best ones with the defaults."""
    panel = panel_from_frame(validated_studio_months)
    earlier = _earlier(settings, context)
    recipe, options = configuration.untuned, configuration.tuning
    tuned = tune_learners(panel, recipe, options, settings.home, context.run.run_id, earlier)
    # Only the values count: the same values make the same recipe, whatever the trials were.
    version = dg.DataVersion(content_sha(tuned.values))
    return dg.MaterializeResult(value=tuned, data_version=version, metadata=tuning_metadata(tuned))


def _earlier(settings: Settings, context: dg.AssetExecutionContext) -> dict[str, Values]:
    try:
        return dict(read_tuned_values(settings.home).values)
    except SettingsError as error:
        context.log.warning("The search begins from the defaults alone. %s", error.what)
        return {}


def tuning_metadata(tuned: TunedHyperparameters) -> dict[str, Any]:
    """Metadata of a search: verdicts, importances, trials and a figure."""
    shown = tuned.trials.tail(MOST_TRIALS_SHOWN)
    gains = {f"{v.learner}_gain": v.gain.share for v in tuned.verdicts if v.gain is not None}
    trials = {f"{v.learner}_trials": v.search.trials for v in tuned.verdicts}
    return {
        "in_words": sentences([verdict.reason for verdict in tuned.verdicts]),
        "data_searched": tuned.data_version,
        **numbers({"learners_tuned": len(tuned.values), **trials, **gains}),
        "verdicts": rows_metadata(verdict_table(tuned.verdicts), VERDICT_COLUMNS),
        "importances": rows_metadata(tuned.importances, IMPORTANCE_COLUMNS),
        "trials": rows_metadata(shown, TRIAL_COLUMNS, limit=MOST_TRIALS_SHOWN),
        **picture("search_history", search_history(tuned.trials)),
    }
