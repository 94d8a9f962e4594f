"""Real learners on planted folds: timid defaults are beaten, and in pure noise they stay."""

from pathlib import Path

import numpy as np
import pytest

from studio_pipeline.errors import RunInProgressError
from studio_pipeline.evaluation.report.model_figures import search_history
from studio_pipeline.forecasting.base.hyperparameters import LEARNERS, ForecastingConfig
from studio_pipeline.publishing.locks import hold_lock
from studio_pipeline.tuning.learner_tuning import TUNING_LOCK, tune_learners, tune_prepared
from studio_pipeline.tuning.result import TunedHyperparameters
from studio_pipeline.tuning.search import prepare
from studio_pipeline.tuning.studies import FOLDER
from studio_pipeline.tuning.values import TuningConfig
from studio_pipeline.tuning.verdicts import VERDICT_COLUMNS, verdict_table
from studio_pipeline_tests.forecasting.fleets import CONFIGURATION, generated_panel
from studio_pipeline_tests.tuning.planted import BAD_DEFAULTS, planted_folds, without_names

OPTIONS = TuningConfig(budget_seconds=300, max_trials=6)


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> TunedHyperparameters:
    place = (tmp_path_factory.mktemp("home"), "first")
    return tune_prepared(planted_folds(0.8, 1, 10), "d", without_names(BAD_DEFAULTS), OPTIONS, place)


@pytest.mark.slow
def test_timid_defaults_are_beaten(tuned: TunedHyperparameters) -> None:
    assert set(tuned.values) == set(LEARNERS)
    for verdict in tuned.verdicts:
        assert verdict.gain.low > 0.05
        assert verdict.search.trials == OPTIONS.max_trials
        assert "is tuned" in verdict.reason


@pytest.mark.slow
def test_in_pure_noise_the_defaults_stay(tmp_path: Path) -> None:
    noise = planted_folds(0.0, 2, 10)
    found = tune_prepared(noise, "d", ForecastingConfig(), OPTIONS, (tmp_path, "first"))
    assert found.values == {}
    assert all("keeps its defaults" in verdict.reason for verdict in found.verdicts)


@pytest.mark.slow
def test_what_is_stored_is_read_back(tuned: TunedHyperparameters, tmp_path: Path) -> None:
    tuned.write(tmp_path)
    again = TunedHyperparameters.read(tmp_path)
    assert again.verdicts == tuned.verdicts
    assert again.values == tuned.values
    assert again.trials.equals(tuned.trials)
    assert list(verdict_table(again.verdicts)) == list(VERDICT_COLUMNS)
    assert search_history(again.trials).startswith(b"\x89PNG")


@pytest.mark.slow
def test_an_earlier_result_is_tried_next(tmp_path: Path) -> None:
    earlier = {"xgboost": {"max_depth": 5, "l2": 17.0}}
    place = (tmp_path, "first")
    options = TuningConfig(budget_seconds=60, max_trials=2)
    found = tune_prepared(planted_folds(0.5, 3, 4), "d", ForecastingConfig(), options, place, earlier)
    second = found.trials[(found.trials["learner"] == "xgboost") & (found.trials["trial"] == 1)]
    assert '"max_depth": 5' in second["values"].item()
    assert '"l2": 17.0' in second["values"].item()


def test_other_data_begin_a_study_of_their_own(tmp_path: Path) -> None:
    folds, options = planted_folds(0.5, 3, 4), TuningConfig(budget_seconds=60, max_trials=1)
    configuration = ForecastingConfig()
    runs = [("one", "first"), ("one", "second"), ("other", "third")]
    lives = [
        set(tune_prepared(folds, data, configuration, options, (tmp_path, life)).trials["run"])
        for data, life in runs
    ]
    assert lives == [{"first"}, {"first"}, {"third"}]


def test_two_searches_do_not_share_the_studies(tmp_path: Path) -> None:
    with hold_lock(tmp_path / FOLDER, TUNING_LOCK), pytest.raises(RunInProgressError):
        tune_learners(generated_panel(), CONFIGURATION, OPTIONS, tmp_path, "first")


def test_a_short_panel_keeps_the_defaults_and_says_why(tmp_path: Path) -> None:
    found = tune_learners(generated_panel(6, 9), CONFIGURATION, OPTIONS, tmp_path, "first")
    assert found.values == {}
    assert all("too few months" in verdict.reason for verdict in found.verdicts)
    assert found.trials.empty
    found.write(tmp_path)
    assert TunedHyperparameters.read(tmp_path).verdicts == found.verdicts


@pytest.mark.slow
def test_the_search_sees_no_month_after_the_moment_of_decision() -> None:
    panel = generated_panel()
    folds = prepare(panel, CONFIGURATION)
    cutoff = folds.decision.months.min() - 1
    for fold in folds.search:
        assert (fold.months > cutoff).any()
        assert np.isnan(fold.actual[fold.months > cutoff]).all()
        assert np.isfinite(fold.actual[fold.months <= cutoff]).any()
    assert np.isfinite(folds.decision.actual).any()
