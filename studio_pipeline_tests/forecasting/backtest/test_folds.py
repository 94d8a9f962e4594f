"""Rolling origins."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio_pipeline.forecasting.backtest.core_backtest import backtest_studios
from studio_pipeline.forecasting.backtest.out_of_fold import plan_folds
from studio_pipeline.forecasting.base.hyperparameters import BacktestHyperparameters, ForecastingConfig
from studio_pipeline.forecasting.base.origins import origins_between
from studio_pipeline_tests.forecasting.fleets import generated_panel, ragged


@given(st.integers(0, 240), st.integers(1, 24), st.integers(1, 24), st.integers(3, 120))
def test_folds_lie_behind_the_training_months_one_after_the_other(
    n_months: int, folds: int, fold_months: int, training: int
) -> None:
    asked = BacktestHyperparameters(folds=folds, fold_months=fold_months, min_training_months=training)
    planned = plan_folds(n_months, asked)
    assert len(planned) in (0, folds)
    if not planned:
        return
    assert planned[0].cutoff + 1 >= training
    assert planned[-1].last_origin == n_months - 2
    for fold in planned:
        assert 2 <= fold.last_origin - fold.cutoff + 1 <= fold_months
    for before, after in pairwise(planned):
        assert after.cutoff == before.last_origin + 1


@pytest.mark.parametrize("n_months", range(1, 31))
def test_short_panels_have_shorter_folds_or_none(n_months: int) -> None:
    planned = plan_folds(n_months, BacktestHyperparameters())
    assert len(planned) == (3 if n_months >= 13 else 0)


def test_long_panels_have_folds_as_long_as_asked_for() -> None:
    planned = plan_folds(60, BacktestHyperparameters())
    assert [(f.cutoff, f.last_origin) for f in planned] == [(23, 34), (35, 46), (47, 58)]


def test_origins_are_known_months_and_nothing_else() -> None:
    panel = ragged(generated_panel())
    origins = origins_between(panel, 10, 20)
    found = set(zip(origins.rows.tolist(), origins.columns.tolist(), strict=True))
    everywhere = {(s, t) for s in range(panel.n_studios) for t in range(10, 21)}
    assert found == {(s, t) for s, t in everywhere if panel.known[s, t]}
    assert (1, 12) not in found
    assert len(found) == len(origins)
    assert len(origins_between(panel, 10, 9)) == 0
    some = origins_between(panel, 10, 20, np.array([0, 3]))
    assert set(some.rows) == {0, 3}


def test_a_large_panel_is_backtested_on_evenly_spaced_studios() -> None:
    panel = generated_panel()
    few = ForecastingConfig.model_validate({"backtest": {"max_studios": 10}})
    rows = backtest_studios(panel, few)
    assert len(np.unique(rows)) == 10
    first_revenue = panel.values["total_revenue"][:, 0]
    assert {int(first_revenue.argmin()), int(first_revenue.argmax())} <= set(rows)
    assert len(backtest_studios(panel, ForecastingConfig())) == panel.n_studios
