"""The promotion rule as a truth table, and the noise it allows for as a statistical promise."""

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from studio_pipeline.evaluation.evaluation_report import EvaluationReport
from studio_pipeline.evaluation.promotion import PromotionRules, decide_promotion

MakePredictions = Callable[..., pd.DataFrame]
NAN = math.nan


def summary_of(
    worse: float = -0.2, noise: float = 0.0, coverage: float = 0.9, studios: int = 200
) -> dict[str, float]:
    """A summary in which seasonal naive is the best simple baseline."""
    numbers = {"n_studios": studios, "n_months": 24, "n_forecasts": 1000, "n_missing": 0, "n_origins": 12}
    for span in ("1-3", "1-12"):
        numbers[f"revenue_wape_{span}_ensemble"] = 0.05
        numbers[f"revenue_coverage_90_{span}"] = coverage
        numbers[f"revenue_coverage_90_{span}_standard_error"] = 0.01
        for baseline, difference in (("persistence", worse - 0.3), ("seasonal_naive", worse)):
            numbers[f"revenue_versus_{baseline}_{span}"] = difference
            numbers[f"revenue_versus_{baseline}_{span}_standard_error"] = noise
    return {name: float(value) for name, value in numbers.items()}


CHAMPION = summary_of()
TRUTH = [
    # candidate, champion there, promoted, words of the reason
    (summary_of(), True, True, "20.0 % below that of seasonal naive"),
    (summary_of(), False, True, "Published: "),
    (summary_of(worse=0.019), True, True, "1.9 % above that of seasonal naive"),
    (
        summary_of(worse=0.03),
        True,
        False,
        "error exceeds that of seasonal naive by 3.0 % (noise explains 2.0 %)",
    ),
    (summary_of(worse=0.03, noise=0.02), True, True, "Published: "),
    (summary_of(worse=0.11, noise=0.5), True, False, "noise explains 10.0 %"),
    (summary_of(worse=0.03), False, True, "as the first model, although over months 1-3 its error exceeds"),
    (summary_of(worse=NAN), True, False, "no simple baseline can be compared over months 1-3, 1-12"),
    (summary_of(coverage=0.87), True, True, "hold 87.0 %"),
    (summary_of(coverage=0.80), True, False, "90 % intervals hold 80.0 % of what happened"),
    (summary_of(coverage=0.99), True, True, "hold 99.0 %"),
    (summary_of(coverage=0.80, studios=4), True, True, "Published: "),
    (summary_of(coverage=0.60, studios=1), True, False, "hold 60.0 %"),
    (summary_of(coverage=0.80), False, True, "although over months 1-3 its 90 % intervals hold 80.0 %"),
    (summary_of(coverage=NAN), True, False, "too short to judge"),
    (summary_of() | {"revenue_wape_1-12_ensemble": NAN}, True, False, "revenue_wape_1-12_ensemble"),
    (summary_of() | {"n_missing": 3.0}, True, False, "3 of 1000 backtest forecasts are missing"),
    (summary_of() | {"n_missing": 3.0}, False, True, "as the first model, although 3 of 1000"),
    ({}, True, False, "too short to judge"),
    ({}, False, True, "as the first model"),
]


@pytest.mark.parametrize(("candidate", "has_champion", "promoted", "words"), TRUTH)
def test_truth_table(candidate: dict[str, float], has_champion: bool, promoted: bool, words: str) -> None:
    decision = decide_promotion(candidate, CHAMPION if has_champion else None)
    assert decision.promoted is promoted
    assert words in decision.reason
    assert decision.reason.endswith(".")
    assert "nan" not in decision.reason.replace("seasonal naive", "")
    assert bool(decision.findings) == ("although" in decision.reason or not promoted)


def test_the_champion_s_figure_is_named() -> None:
    champion = CHAMPION | {"revenue_wape_1-12_ensemble": 0.061}
    assert "the model before it had 6.10 %" in decide_promotion(summary_of(), champion).reason
    assert "before it" not in decide_promotion(summary_of(), {}).reason


def test_one_bad_span_is_enough() -> None:
    candidate = summary_of() | {"revenue_versus_persistence_1-3": 0.3}
    decision = decide_promotion(candidate, CHAMPION)
    assert not decision.promoted
    assert "over months 1-3 its error exceeds that of persistence by 30.0 %" in decision.reason
    assert decide_promotion(candidate, CHAMPION, PromotionRules(spans=("1-12",))).promoted


@pytest.mark.parametrize(
    ("field", "value"), [("worse_limit", -1), ("spans", ()), ("target", "tickets"), ("spans", ("2",))]
)
def test_rules_out_of_range_are_refused(field: str, value: object) -> None:
    with pytest.raises(ValidationError, match=field):
        PromotionRules.model_validate({field: value})


def test_a_real_backtest_is_judged(make_predictions: MakePredictions) -> None:
    good = EvaluationReport.from_predictions(make_predictions())
    assert decide_promotion(good.summary, good.summary).promoted
    errors = dict.fromkeys(["core", "xgboost", "lightgbm", "random_forest"], 0.05)
    errors |= {"persistence": 0.03, "seasonal_naive": 0.05, "seasonal_naive_growth": 0.05, "ensemble": 0.05}
    bad = EvaluationReport.from_predictions(make_predictions(errors=errors))
    assert "that of persistence" in decide_promotion(bad.summary, good.summary).reason
    assert not decide_promotion(bad.summary, good.summary).promoted


def test_a_model_as_good_as_the_baseline_is_seldom_refused(make_predictions: MakePredictions) -> None:
    errors = dict.fromkeys(["core", "xgboost", "lightgbm", "random_forest", "persistence", "ensemble"], 0.05)
    errors |= {"seasonal_naive": 0.5, "seasonal_naive_growth": 0.5}
    published = [
        decide_promotion(EvaluationReport.from_predictions(rows).summary, {}).promoted
        for rows in (
            make_predictions(studios=10, origins=6, targets=("revenue",), errors=errors, seed=s)
            for s in range(40)
        )
    ]
    assert np.mean(published) > 0.85
