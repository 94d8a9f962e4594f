"""The backtest's table: what stands in it, and that no score rests on months that its fit has seen."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from studio_pipeline.evaluation.metrics.backtest import backtest
from studio_pipeline.evaluation.metrics.schemas import PREDICTIONS
from studio_pipeline.forecasting.backtest.out_of_fold import Fold, plan_folds
from studio_pipeline.forecasting.ensemble.candidates import CANDIDATES
from studio_pipeline.panel.arrays import StudioPanel
from studio_pipeline.panel.columns import NUMERIC_COLUMNS
from studio_pipeline_tests.forecasting.fleets import CONFIGURATION, Fitted, fit_all, months_changed

COLUMNS_OF = {"revenue": "total_revenue", "members": "total_members", "retention": "retention_rate"}


def table_of(fitted: Fitted) -> pd.DataFrame:
    return backtest(fitted.panel, fitted.core, fitted.fits, fitted.weights, CONFIGURATION)


@pytest.fixture(scope="module")
def predictions(fleet: Fitted) -> pd.DataFrame:
    return table_of(fleet)


def value_of(panel: StudioPanel, frame: pd.DataFrame, month: str) -> np.ndarray:
    rows = [panel.rows[name] for name in frame["studio_id"]]
    columns = [panel.column_of(m) for m in frame[month].to_numpy()]
    cells = zip(frame["target"], rows, columns, strict=True)
    return np.array([panel.values[COLUMNS_OF[t]][r, c] for t, r, c in cells])


def test_it_conforms_to_its_schema(predictions: pd.DataFrame) -> None:
    PREDICTIONS.validate(predictions, lazy=True)
    assert set(predictions["target"]) == set(COLUMNS_OF)
    assert set(predictions["horizon"]) == set(range(1, 13))


def test_actual_and_last_known_months_are_the_panel_s(fleet: Fitted, predictions: pd.DataFrame) -> None:
    sample = predictions.sample(400, random_state=1)
    until, since = (sample[name].dt.to_period("M").astype("int64") for name in ("month_year", "base_month"))
    ahead = until - since
    assert (ahead == sample["horizon"]).all()
    np.testing.assert_array_equal(sample["actual"], value_of(fleet.panel, sample, "month_year"))
    np.testing.assert_array_equal(sample["last_known"], value_of(fleet.panel, sample, "base_month"))
    np.testing.assert_array_equal(sample["persistence"], sample["last_known"])


def test_every_candidate_is_there_and_only_revenue_has_bounds(predictions: pd.DataFrame) -> None:
    revenue = predictions["target"] == "revenue"
    shown = ["ensemble", *(name for name in CANDIDATES if name in predictions)]
    assert np.isfinite(predictions.loc[revenue, shown]).all(axis=None)
    assert np.isfinite(predictions.loc[revenue, ["lower_90", "upper_90"]]).all(axis=None)
    assert predictions.loc[~revenue, ["lower_90", "upper_90"]].isna().all(axis=None)
    assert (predictions.loc[revenue, "lower_90"] < predictions.loc[revenue, "ensemble"]).all()


def test_no_origin_lies_before_the_second_fold_or_its_cutoff(fleet, predictions) -> None:
    base = np.array([fleet.panel.column_of(m) for m in predictions["base_month"].to_numpy()])
    assert base.min() == fleet.core.folds[1].cutoff
    assert base.max() == fleet.core.folds[-1].last_origin
    assert (predictions["month_year"] > predictions["base_month"]).all()


def test_the_ensemble_is_the_weighted_mean_of_its_candidates(fleet, predictions) -> None:
    last_fold = len(fleet.core.folds) - 1
    cutoff = fleet.panel.months[fleet.core.folds[last_fold].cutoff].astype("datetime64[ns]")
    rows = predictions[(predictions["target"] == "members") & (predictions["base_month"] >= cutoff)]
    low = rows[[n for n in CANDIDATES if n in rows]].min(axis=1)
    high = rows[[n for n in CANDIDATES if n in rows]].max(axis=1)
    inside = (rows["ensemble"] >= low * 0.9) & (rows["ensemble"] <= high * 1.1)
    assert inside.all()


def test_scale_is_the_seasonal_naive_s_error_before_the_first_cutoff(fleet, predictions) -> None:
    # The first cutoff of 40 months leaves less than a year before it: there is no such error yet.
    assert fleet.core.folds[0].cutoff < 12
    assert predictions["scale"].isna().all()
    later = tuple(Fold(f.cutoff + 12, f.last_origin + 12) for f in fleet.core.folds)
    table = table_of(replace(fleet, core=replace(fleet.core, folds=later)))
    values = fleet.panel.values["total_revenue"][:, : later[0].cutoff + 1]
    by_hand = np.abs(values[:, 12:] - values[:, :-12])
    revenue = table[table["target"] == "revenue"]
    for name, scale in revenue.groupby("studio_id")["scale"].first().items():
        row = by_hand[fleet.panel.rows[str(name)]]
        known = row[np.isfinite(row)]
        assert np.isnan(scale) if not known.size else scale == pytest.approx(known.mean())


def test_months_after_a_cutoff_change_no_score_of_earlier_origins(fleet: Fitted) -> None:
    shorter = fleet.panel.until(26)
    cutoff = plan_folds(shorter.n_months, CONFIGURATION.backtest)[-1].cutoff
    until = fleet.panel.months[cutoff].astype("datetime64[ns]")

    def scores(first_changed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
        panel = shorter
        for name in NUMERIC_COLUMNS:
            panel = months_changed(panel, name, slice(first_changed, None), 0.5)
        table = table_of(fit_all(panel, learners=("lightgbm",)))
        table = table.set_index(["target", "studio_id", "base_month", "horizon"])
        shown = table.drop(columns=["month_year", "actual", "last_known", "scale", "levers_known"])
        earlier = shown.index.get_level_values("base_month") <= until
        return shown[earlier], shown[~earlier]

    before, after = scores(shorter.n_months)
    before_changed, after_changed = scores(cutoff + 1)
    pd.testing.assert_frame_equal(before, before_changed, check_exact=True)
    # The change is not one that nothing would notice.
    with pytest.raises(AssertionError):
        pd.testing.assert_frame_equal(after, after_changed, rtol=0.1)
