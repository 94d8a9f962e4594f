"""A bundle's recipe and backtest come back as they went; older bundles have none; damage is told."""

from pathlib import Path

import pandas as pd
import pytest

from studio_pipeline.errors import CorruptReleaseError
from studio_pipeline.evaluation.metrics.paired_errors import kept_rows
from studio_pipeline.forecasting.base.hyperparameters import ForecastingConfig
from studio_pipeline.forecasting.model.studio_model import Recipe
from studio_pipeline.publishing.bundles import write_bundle
from studio_pipeline.publishing.folders import verify_folder
from studio_pipeline.publishing.model_records import BACKTEST, RECIPE, backtest_of, recipe_of, write_records
from studio_pipeline_tests.evaluation.conftest import predictions_of
from studio_pipeline_tests.publishing.conftest import fill_bundle

KEPT = kept_rows(predictions_of(studios=3, origins=2), "revenue")


def test_records_come_back_damage_is_told_and_older_bundles_have_none(tmp_path: Path) -> None:
    recipe = Recipe(ForecastingConfig(seed=3))
    folder = write_bundle(tmp_path, "1", lambda place: write_records(place, recipe, KEPT), {})
    assert set(verify_folder(folder).files) == {RECIPE, BACKTEST}
    assert recipe_of(tmp_path, "1") == recipe
    pd.testing.assert_frame_equal(backtest_of(tmp_path, "1"), KEPT)
    for name, read in ((RECIPE, recipe_of), (BACKTEST, backtest_of)):
        (folder / name).write_bytes(b"no")
        with pytest.raises(CorruptReleaseError, match="can't be read"):
            read(tmp_path, "1")
    write_bundle(tmp_path, "0", fill_bundle, {})
    assert (recipe_of(tmp_path, "0"), backtest_of(tmp_path, "0")) == (None, None)
