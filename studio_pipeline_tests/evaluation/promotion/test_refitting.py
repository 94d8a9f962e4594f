"""A refit is the same fit: through the same functions, and the same after it was stored."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from studio_pipeline.evaluation.metrics.backtest import backtest
from studio_pipeline.evaluation.metrics.paired_errors import compare_errors
from studio_pipeline.evaluation.promotion.refitting import ChampionRefit, refit
from studio_pipeline.forecasting.base.queries import ForwardQuery
from studio_pipeline.forecasting.features.feature_store import feature_frame
from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline.forecasting.model.studio_model import Recipe
from studio_pipeline.resources.asset_results import object_result
from studio_pipeline_tests.forecasting.fleets import CONFIGURATION, small_fleet


def test_no_refit_comes_back_as_it_went(tmp_path: Path) -> None:
    nothing = ChampionRefit("There is none to beat.", None, "it is gone")
    nothing.write(tmp_path)
    assert ChampionRefit.read(tmp_path) == nothing
    assert object_result(nothing).data_version != object_result(ChampionRefit("Other.")).data_version


@pytest.mark.slow
def test_a_refit_of_the_same_recipe_is_the_same_model(tmp_path: Path) -> None:
    fleet = small_fleet()
    refitted = refit(Recipe(CONFIGURATION), fleet.panel, feature_frame(fleet.panel), 0.01)
    mine = backtest(fleet.panel, fleet.core, fleet.fits, fleet.weights, CONFIGURATION)
    pd.testing.assert_frame_equal(refitted.report.predictions, mine)
    (difference,) = compare_errors(mine, refitted.report.predictions, "revenue", ("1-12",)).values()
    assert (difference.difference, difference.n_origins > 1) == (0.0, True)
    assert refitted.lever_findings == ()

    stored = ChampionRefit("Fitted again.", refitted)
    assert object_result(stored).data_version is not None
    stored.write(tmp_path)
    read = ChampionRefit.read(tmp_path).refitted
    assert (read.recipe, read.native_models) == (refitted.recipe, refitted.native_models)
    pd.testing.assert_frame_equal(read.report.predictions, mine)
    query = ForwardQuery(str(fleet.panel.studio_ids[0]), projection_months=12)
    answers = [Forecaster(model, fleet.panel).forecast([query])[0] for model in (read.model, fleet.model)]
    np.testing.assert_allclose(answers[0].revenue, answers[1].revenue, rtol=1e-6)
