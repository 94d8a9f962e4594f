"""Every picture is a small PNG with something on it, and none of them minds odd data."""

import io
import math
from collections.abc import Callable

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from studio_pipeline.evaluation.metrics.metrics import EvaluationReport
from studio_pipeline.evaluation.report import backtest_figures, data_figures, drawing, model_figures
from studio_pipeline.evaluation.report import backtest_figures as interval_figures

MakePredictions = Callable[..., pd.DataFrame]


def assert_picture(png: bytes, colours: int = 4) -> None:
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert len(png) < 100_000
    image = Image.open(io.BytesIO(png)).convert("RGB")
    assert image.width > 300
    found = image.getcolors(1 << 24) or []
    assert len(found) >= colours
    assert max(count for count, _ in found) < 0.995 * image.width * image.height


def test_pictures_of_the_model(
    panel_frame: pd.DataFrame,
    panel_report: EvaluationReport,
    weights: pd.DataFrame,
    importances: pd.DataFrame,
) -> None:
    for target in ("revenue", "members", "retention"):
        assert_picture(backtest_figures.actual_against_predicted(panel_report.predictions, target))
        assert_picture(backtest_figures.error_by_horizon(panel_report.metrics, target))
        assert_picture(model_figures.feature_importances(importances, target))
    assert_picture(interval_figures.coverage_by_horizon(panel_report.metrics))
    assert_picture(model_figures.weights_by_horizon(weights))
    assert_picture(
        interval_figures.forecast_fan(panel_frame, panel_report.predictions, panel_frame["studio_id"].iloc[0])
    )


def test_pictures_of_the_data(
    panel_frame: pd.DataFrame, features: pd.DataFrame, rejected: pd.DataFrame
) -> None:
    assert_picture(data_figures.fleet_revenue(panel_frame))
    assert_picture(data_figures.seasonal_factors(panel_frame))
    assert_picture(data_figures.months_per_studio(panel_frame))
    assert_picture(data_figures.rejected_by_reason(rejected))
    assert_picture(data_figures.correlation_with_growth(panel_frame, features))


def test_where_there_is_nothing_to_draw_the_picture_says_so(
    panel_frame: pd.DataFrame,
    panel_report: EvaluationReport,
    weights: pd.DataFrame,
    importances: pd.DataFrame,
    features: pd.DataFrame,
    rejected: pd.DataFrame,
) -> None:
    nothing = panel_report.predictions.iloc[:0]
    no_metrics = EvaluationReport.from_predictions(nothing).metrics
    short = panel_frame.groupby("studio_id").head(5)
    for png in (
        backtest_figures.actual_against_predicted(nothing),
        backtest_figures.error_by_horizon(no_metrics),
        interval_figures.coverage_by_horizon(no_metrics),
        model_figures.weights_by_horizon(weights.iloc[:0]),
        model_figures.feature_importances(importances.iloc[:0]),
        model_figures.feature_importances(importances.assign(importance=0.0)),
        interval_figures.forecast_fan(panel_frame, nothing, "nobody"),
        data_figures.fleet_revenue(panel_frame.iloc[:0]),
        data_figures.seasonal_factors(short),
        data_figures.months_per_studio(panel_frame.iloc[:0]),
        data_figures.rejected_by_reason(rejected.iloc[:0]),
        data_figures.correlation_with_growth(panel_frame.iloc[:0], features),
    ):
        assert_picture(png, colours=2)


def test_odd_data_are_drawn(
    panel_frame: pd.DataFrame, panel_report: EvaluationReport, rejected: pd.DataFrame
) -> None:
    zeros = panel_report.predictions.assign(actual=0.0)
    assert_picture(backtest_figures.actual_against_predicted(zeros))
    gaps = panel_report.predictions.assign(lower_90=math.nan, upper_90=math.nan)
    assert_picture(interval_figures.forecast_fan(panel_frame, gaps, panel_frame["studio_id"].iloc[0]))
    assert_picture(data_figures.rejected_by_reason(rejected.assign(reason="costs $5$ \\frac{ " * 30)))
    many = panel_frame.assign(
        studio_type=panel_frame["studio_id"] + "$", total_revenue=panel_frame["total_revenue"]
    )
    assert_picture(data_figures.fleet_revenue(many))
    assert_picture(data_figures.seasonal_factors(panel_frame.assign(studio_type=None)))


def test_a_noisy_picture_stays_small() -> None:
    figure, (ax,) = drawing.new_figure(6)
    ax.imshow(np.random.default_rng(1).random((600, 900)), cmap="viridis", aspect="auto")
    png = drawing.to_png(figure)
    assert len(png) < drawing.MAX_BYTES


def test_drawing_leaves_matplotlib_s_global_state_alone(panel_report: EvaluationReport) -> None:
    before = dict(mpl.rcParams)
    backtest_figures.error_by_horizon(panel_report.metrics)
    assert dict(mpl.rcParams) == before


def test_seasonal_factors_find_the_season_that_is_there() -> None:
    months = pd.date_range("2015-01-01", periods=60, freq="MS")
    season = 1 + 0.2 * np.cos(2 * np.pi * np.arange(60) / 12)
    frame = pd.DataFrame({"studio_id": "a", "month_year": months, "studio_type": "Yoga"})
    factors = data_figures.seasonal_factor_table(frame.assign(total_revenue=1000 * season))
    assert factors["Yoga"].to_numpy() == pytest.approx(season[:12], rel=1e-9)


def test_growth_correlation_finds_the_feature_that_knows(panel_frame: pd.DataFrame) -> None:
    keys = panel_frame[["studio_id", "month_year", "total_revenue"]].copy()
    following = keys.groupby("studio_id")["total_revenue"].shift(-1)
    keys["knows"] = following / keys["total_revenue"]
    keys["opposite"] = -keys["knows"]
    keys["noise"] = np.random.default_rng(2).normal(size=len(keys))
    keys["constant"] = 1.0
    answer = data_figures.growth_correlations(panel_frame, keys.drop(columns="total_revenue"))
    assert answer["knows"] == pytest.approx(1.0)
    assert answer["opposite"] == pytest.approx(-1.0)
    assert abs(answer["noise"]) < 0.2
    assert "constant" not in answer


def test_importance_shares_add_up_within_each_learner(importances: pd.DataFrame) -> None:
    shares = model_figures.importance_shares(importances, "members")
    assert shares.sum().to_numpy() == pytest.approx(1.0)
    assert shares["mean"].is_monotonic_decreasing


@pytest.mark.parametrize(
    ("value", "text"), [(1_234_567, "1.23M"), (41_000, "41k"), (0.5, "0.5"), (-2e9, "-2bn"), (0, "0")]
)
def test_short_numbers(value: float, text: str) -> None:
    assert drawing.short_number(value) == text
