"""Guard rails as a truth table, the noise they allow for as a promise, and data that became fewer."""

import math

import numpy as np
import pytest
from pydantic import ValidationError

from studio_pipeline.evaluation.metrics.metrics import EvaluationReport
from studio_pipeline.evaluation.promotion.guard_rails import PromotionConfig, guard_rails, merits, shrinkage
from studio_pipeline_tests.evaluation.conftest import predictions_of
from studio_pipeline_tests.forecasting.fleets import small_fleet

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


RULES = PromotionConfig()
TRUTH = [
    # candidate, words of the only finding; none where the rails hold
    (summary_of(), ""),
    (summary_of(worse=0.019), ""),
    (summary_of(worse=0.03), "error exceeds that of seasonal naive by 3.0 % (noise explains 2.0 %)"),
    (summary_of(worse=0.03, noise=0.02), ""),
    (summary_of(worse=0.11, noise=0.5), "noise explains 10.0 %"),
    (summary_of(worse=NAN), "no simple baseline can be compared over months 1-3, 1-12"),
    (summary_of(coverage=0.87), ""),
    (summary_of(coverage=0.80), "90 % intervals hold 80.0 % of what happened"),
    (summary_of(coverage=0.99), ""),
    (summary_of(coverage=0.80, studios=4), ""),
    (summary_of(coverage=0.60, studios=1), "hold 60.0 %"),
    (summary_of(coverage=NAN), "too short to judge"),
    (summary_of() | {"revenue_wape_1-12_ensemble": NAN}, "revenue_wape_1-12_ensemble"),
    (summary_of() | {"n_missing": 3.0}, "3 of 1000 backtest forecasts are missing"),
    ({}, "too short to judge"),
]


@pytest.mark.parametrize(("candidate", "words"), TRUTH)
def test_truth_table(candidate: dict[str, float], words: str) -> None:
    findings = guard_rails(candidate)
    assert bool(findings) == bool(words)
    assert all("nan" not in finding.replace("seasonal naive", "") for finding in findings)
    assert words in (findings[0] if findings else "")


def test_levers_that_work_the_wrong_way_are_a_finding() -> None:
    assert guard_rails(summary_of(), RULES, ("more of retention rate would cost 3.0 %",)) == (
        "more of retention rate would cost 3.0 %",
    )


def test_merits_name_the_best_baseline_and_the_coverage() -> None:
    assert merits(summary_of(), RULES) == (
        "over months 1-12 its error of 5.00 % is 20.0 % below that of seasonal naive"
        " and its 90 % intervals hold 90.0 %"
    )


def test_one_bad_span_is_enough() -> None:
    candidate = summary_of() | {"revenue_versus_persistence_1-3": 0.3}
    (finding,) = guard_rails(candidate)
    assert "over months 1-3 its error exceeds that of persistence by 30.0 %" in finding
    assert not guard_rails(candidate, PromotionConfig(spans=("1-12",)))


@pytest.mark.parametrize(
    ("field", "value"), [("worse_limit", -1), ("spans", ()), ("target", "tickets"), ("spans", ("2",))]
)
def test_rules_out_of_range_are_refused(field: str, value: object) -> None:
    with pytest.raises(ValidationError, match=field):
        PromotionConfig.model_validate({field: value})


def test_a_real_backtest_is_judged() -> None:
    good = EvaluationReport.from_predictions(predictions_of())
    assert not guard_rails(good.summary)
    errors = dict.fromkeys(["core", "xgboost", "lightgbm", "random_forest"], 0.05)
    errors |= {"persistence": 0.03, "seasonal_naive": 0.05, "seasonal_naive_growth": 0.05, "ensemble": 0.05}
    bad = EvaluationReport.from_predictions(predictions_of(errors=errors))
    assert "that of persistence" in guard_rails(bad.summary)[0]


def test_a_model_as_good_as_the_baseline_is_seldom_refused() -> None:
    errors = dict.fromkeys(["core", "xgboost", "lightgbm", "random_forest", "persistence", "ensemble"], 0.05)
    errors |= {"seasonal_naive": 0.5, "seasonal_naive_growth": 0.5}
    published = [
        not guard_rails(EvaluationReport.from_predictions(rows).summary)
        for rows in (
            predictions_of(studios=10, origins=6, targets=("revenue",), errors=errors, seed=s)
            for s in range(40)
        )
    ]
    assert np.mean(published) > 0.85


PANEL = small_fleet().panel


@pytest.mark.parametrize(("lost", "said"), [(0, False), (1, False), (4, True)])
def test_lost_studios_are_named_beyond_the_tolerance(lost: int, said: bool) -> None:
    now = PANEL.select(slice(0, PANEL.n_studios - lost))
    words = shrinkage(now, PANEL, 0.1)
    assert bool(words) is said
    if said:
        assert f"of {now.n_studios} studios" in words
        assert f"of {PANEL.n_studios}" in words
    assert shrinkage(PANEL, now, 0.0) == ""


def test_an_earlier_end_is_named_whatever_the_tolerance() -> None:
    before = PANEL.until(PANEL.n_months - 2)
    last, previous = (str(panel.months[-1].astype("datetime64[M]")) for panel in (PANEL, before))
    said = f"the data end in {previous}, and those of the last release in {last}"
    assert shrinkage(before, PANEL, 1.0) == said
    assert shrinkage(PANEL, before, 0.0) == ""
    assert int(np.sum(PANEL.known)) > int(np.sum(before.known))
