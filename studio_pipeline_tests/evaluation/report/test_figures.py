"""Pictures are small PNGs that show the numbers they were given, and none of them minds odd data."""

import io
import math
from collections.abc import Callable

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from studio_pipeline.evaluation.metrics.metrics import EvaluationReport
from studio_pipeline.evaluation.metrics.summary import levers_known_errors
from studio_pipeline.evaluation.report import backtest_figures, data_figures, drawing, model_figures
from studio_pipeline.evaluation.report.drawing import COLOURS, to_png
from studio_pipeline.forecasting.ensemble.candidates import CANDIDATES as MEMBERS
from studio_pipeline_tests.evaluation.conftest import predictions_of
from studio_pipeline_tests.evaluation.metrics.test_interval_metrics import with_intervals
from studio_pipeline_tests.evaluation.metrics.test_summary import knowing_levers


def assert_picture(png: bytes, colours: int = 4) -> None:
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert len(png) < 100_000
    image = Image.open(io.BytesIO(png)).convert("RGB")
    assert image.width > 300
    found = image.getcolors(1 << 24) or []
    assert len(found) >= colours
    assert max(count for count, _ in found) < 0.995 * image.width * image.height


def test_odd_data_are_drawn(panel_frame, panel_report, rejected, importances, features) -> None:
    for png in (
        data_figures.fleet_revenue(panel_frame.iloc[:0]),
        data_figures.seasonal_factors(panel_frame.groupby("studio_id").head(5)),
        data_figures.months_per_studio(panel_frame.iloc[:0]),
        data_figures.correlation_with_growth(panel_frame.iloc[:0], features),
        model_figures.feature_importances(importances.assign(importance=0.0)),
    ):
        assert_picture(png, colours=2)
    zeros = panel_report.predictions.assign(actual=0.0)
    assert_picture(backtest_figures.actual_against_predicted(zeros))
    gaps = panel_report.predictions.assign(lower_90=math.nan, upper_90=math.nan)
    assert_picture(backtest_figures.forecast_fan(panel_frame, gaps, panel_frame["studio_id"].iloc[0]))
    assert_picture(data_figures.rejected_by_reason(rejected.assign(reason="costs $5$ \\frac{ " * 30)))
    many = panel_frame.assign(studio_type=panel_frame["studio_id"] + "$")
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


Drawn = Callable[[Callable[[], bytes]], list[Axes]]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Drawn:
    """Calls a picture's function and hands back what it drew; the picture itself is checked as well."""
    figures: list[Figure] = []

    def kept(figure: Figure) -> bytes:
        figures.append(figure)
        return to_png(figure)

    monkeypatch.setattr(drawing, "to_png", kept)

    def draw(picture: Callable[[], bytes]) -> list[Axes]:
        assert_picture(picture())
        return figures[-1].axes

    return draw


def line(ax: Axes, label: str) -> tuple[np.ndarray, np.ndarray]:
    """The points of the line that a legend names."""
    (found,) = [one for one in ax.lines if one.get_label() == label]
    return np.asarray(found.get_xdata()), np.asarray(found.get_ydata())


def test_seasons(drawn: Drawn, seasons: pd.DataFrame) -> None:
    retention, acquisition, *_ = drawn(lambda: model_figures.seasons_by_flow(seasons))
    months, factors = line(acquisition, "Dance")
    np.testing.assert_array_equal(months, range(1, 13))
    assert factors[[0, 6]] == pytest.approx([1.4, 0.6])
    assert line(retention, "Yoga")[1][0] == pytest.approx(0.2)
    assert "points" in retention.get_title(loc="left")


def test_a_response_has_its_bar_and_says_what_it_rests_on(drawn: Drawn, responses: pd.DataFrame) -> None:
    retention, acquisition = drawn(lambda: model_figures.responses_with_error_bars(responses))
    for ax, middle, ends, evidence in (
        (retention, -0.8, [-1.1, -0.5], "months"),
        (acquisition, -9.0, [-17.0, -0.3], "prior"),
    ):
        (bar,) = ax.containers
        (segment,) = bar.lines[2][0].get_segments()
        assert segment[:, 0] == pytest.approx(ends)
        assert bar.lines[0].get_xdata() == pytest.approx([middle])
        assert bar.get_label() == f"mostly from {evidence}, with 90 % error bar"


def test_weights_are_stacked_to_one(drawn: Drawn, weights: pd.DataFrame) -> None:
    for ax in drawn(lambda: model_figures.weights_by_horizon(weights)):
        heights = np.array([[bar.get_height() for bar in container] for container in ax.containers])
        assert heights.sum(0) == pytest.approx(np.ones(12))
        labels = [container.get_label() for container in ax.containers]
        assert heights[labels.index("stock-and-flow core")] == pytest.approx(np.full(12, 0.5))
        assert heights[labels.index("random forest")] == pytest.approx(np.zeros(12))


def test_the_title_of_the_importances_is_within_the_picture(drawn: Drawn, importances: pd.DataFrame) -> None:
    long = importances.assign(feature="a_feature_with_a_rather_long_name_" + importances["feature"])
    (ax,) = drawn(lambda: model_figures.feature_importances(long, "retention"))
    assert "retention" in ax.get_title(loc="left")
    (text,) = [t for t in ax.findobj(Text) if t.get_text() == ax.get_title(loc="left")]
    assert text.get_window_extent().x1 < ax.figure.bbox.x1


def test_every_candidate_has_a_colour_of_its_own() -> None:
    colours = [COLOURS[name] for name in ("ensemble", *MEMBERS)]
    assert len(set(colours)) == len(colours)


def test_coverage_at_every_level_and_of_totals(drawn: Drawn) -> None:
    report = EvaluationReport.from_predictions(with_intervals(predictions_of(studios=8, origins=3)))
    left, right = drawn(lambda: backtest_figures.coverage_by_horizon(report.metrics))
    rows = report.metrics.query("target == 'revenue' and candidate == 'ensemble'").set_index("horizon")
    rows = rows.loc[[str(horizon) for horizon in range(1, 13)]]
    for label, column in (
        ("50 % of a month", "coverage_50"),
        ("90 % of a month", "coverage_90"),
        ("90 % of the total so far", "coverage_total"),
    ):
        np.testing.assert_array_equal(line(left, label)[1], rows[column])
        assert left.get_ylim()[0] < rows[column].min()
    np.testing.assert_array_equal(right.lines[0].get_ydata(), rows["width_90"])


def test_the_sample_is_the_latest_forecast_of_which_most_is_known(drawn, panel_frame, panel_report) -> None:
    rows, name = panel_report.predictions, panel_frame["studio_id"].iloc[0]
    origins = np.sort(rows["base_month"].unique())
    # The last known month is a year after the third last origin: later origins have less and less.
    last_known = pd.Timestamp(origins[-3]) + pd.DateOffset(months=12)
    for first, origin, count in ((origins[0], origins[-3], 12), (origins[-2], origins[-2], 11)):
        known = rows[(rows["month_year"] <= last_known) & (rows["base_month"] >= first)]
        (ax,) = drawn(lambda known=known: backtest_figures.forecast_fan(panel_frame, known, name))
        months, _ = line(ax, "what happened")
        assert len(months) == count
        assert ax.get_title(loc="left").endswith(f"forecast from {pd.Timestamp(origin):%B %Y}")


def test_a_sweep_shows_line_band_range_and_present(drawn: Drawn, sweep: pd.DataFrame) -> None:
    rate, price = drawn(lambda: model_figures.revenue_by_lever(sweep))
    assert [ax.get_title(loc="left") for ax in (rate, price)] == [
        "Retention rate, a month",
        "Ticket price, currency a month",
    ]
    values, revenue = line(price, "lever held")
    np.testing.assert_array_equal(values, [90, 100, 110, 120])
    np.testing.assert_array_equal(revenue, 2_000 * values)
    assert line(price, "where it stands") == (pytest.approx([110.0]), pytest.approx([220_000.0]))
    assert line(price, "every lever free")[1] == pytest.approx([220_000.0] * 2)
    (shown,) = [patch for patch in price.patches if patch.get_label() == "shown so far"]
    assert (shown.get_x(), shown.get_x() + shown.get_width()) == (95.0, 115.0)
    band = price.collections[0].get_paths()[0].vertices
    assert {80_000 * 0.9 * 2.25, 240_000 * 1.1} <= {round(float(y), 6) for y in np.asarray(band)[:, 1]}
    assert rate.get_ylim() == price.get_ylim()


def test_effects_are_shares_of_the_year_s_revenue(drawn: Drawn, effects: pd.DataFrame) -> None:
    (ax,) = drawn(lambda: model_figures.predicted_against_true_effects(effects))
    true, predicted = line(ax, "price +10 %")
    assert true == pytest.approx(np.full(4, 0.04))
    assert predicted == pytest.approx(np.full(4, 0.05))
    assert line(ax, "classes +25 %")[1] == pytest.approx(np.zeros(4))
    assert ax.get_xlim() == ax.get_ylim()


def test_errors_with_levers_free_and_known(drawn: Drawn) -> None:
    errors = levers_known_errors(knowing_levers(predictions_of(studios=5)))
    (ax,) = drawn(lambda: model_figures.errors_with_levers_free_and_known(errors))
    free = line(ax, "levers free: a forecast")[1]
    known = line(ax, "levers known: given what they then did")[1]
    np.testing.assert_array_equal(free, errors["levers_free"][:12])
    assert known == pytest.approx(free / 2)
