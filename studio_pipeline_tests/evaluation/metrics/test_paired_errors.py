"""The comparison of two backtests beside a slow, obvious twin, and what it does at its edges."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio_pipeline.evaluation.metrics.paired_errors import (
    FEWEST_ORIGINS,
    compare_errors,
    error_difference,
    kept_rows,
)
from studio_pipeline_tests.evaluation.conftest import predictions_of

SPANS = ("1", "1-3", "1-12")


def other_recipe(rows: pd.DataFrame, scale: float, seed: int = 5) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    error = (rows["ensemble"] - rows["actual"]) * scale * random.uniform(0.9, 1.1, len(rows))
    return rows.assign(ensemble=rows["actual"] + error)


def test_the_difference_is_that_of_the_obvious_twin() -> None:
    old = predictions_of(studios=8, origins=8)
    new = other_recipe(old, 0.5)
    of_revenue = old["target"] == "revenue"
    for span, difference in compare_errors(new, old, "revenue", SPANS).items():
        rows = of_revenue & (old["horizon"] <= int(span.rpartition("-")[2]))
        wapes = [
            (table["ensemble"] - table["actual"])[rows].abs().sum() / table["actual"][rows].sum()
            for table in (new, old)
        ]
        assert difference.difference == pytest.approx(wapes[0] / wapes[1] - 1)
        assert difference.lower < difference.difference < difference.upper < 0
        assert difference.is_better
        assert not difference.is_worse
        assert difference.detectable > difference.upper - difference.difference
        assert (difference.n_studios, difference.n_origins) == (8, 8)


def test_rows_kept_with_a_bundle_say_the_same() -> None:
    old = predictions_of(studios=8, origins=8)
    new = other_recipe(old, 0.9)
    kept = kept_rows(old, "revenue")
    assert "actual" not in kept
    for mine, theirs in zip(
        compare_errors(new, kept, "revenue", SPANS).values(),
        compare_errors(new, old, "revenue", SPANS).values(),
        strict=True,
    ):
        assert mine.difference == pytest.approx(theirs.difference, abs=1e-5)
        assert mine.upper == pytest.approx(theirs.upper, abs=1e-5)


def test_only_shared_forecasts_count_and_todays_figures_judge_both() -> None:
    old = predictions_of(studios=8, origins=8, targets=("revenue",))
    new = other_recipe(old, 0.9)
    elsewhere = new[new["studio_id"] != "s003"].sample(frac=1, random_state=1)
    expected = compare_errors(elsewhere, old[old["studio_id"] != "s003"], "revenue", ("1-12",))["1-12"]
    assert compare_errors(elsewhere, old, "revenue", ("1-12",))["1-12"] == expected
    corrected = new.assign(actual=new["actual"] * 1.5)
    both = compare_errors(corrected, old, "revenue", ("1-12",))["1-12"]
    expected = compare_errors(corrected, old.assign(actual=corrected["actual"]), "revenue", ("1-12",))["1-12"]
    assert both == expected
    assert both != compare_errors(new, old, "revenue", ("1-12",))["1-12"]


def test_missing_forecasts_and_figures_are_left_out() -> None:
    old = predictions_of(studios=8, origins=8, targets=("revenue",))
    new = other_recipe(old, 0.9)
    holes = new.assign(ensemble=new["ensemble"].where(new.index % 7 > 0))
    without = compare_errors(holes.dropna(subset=["ensemble"]), old, "revenue", ("1-12",))["1-12"]
    assert compare_errors(holes, old, "revenue", ("1-12",))["1-12"] == without
    assert without != compare_errors(new, old, "revenue", ("1-12",))["1-12"]
    nothing = compare_errors(new.iloc[:0], old, "revenue", ("1-12",))["1-12"]
    assert math.isnan(nothing.difference)
    assert not nothing.is_better
    assert not nothing.is_worse
    assert (nothing.n_origins, nothing.n_studios) == (0, 0)
    assert math.isnan(compare_errors(new, old, "members", ("1-12",))["1-12"].difference)


def test_too_few_origins_have_no_interval() -> None:
    old = predictions_of(studios=8, origins=FEWEST_ORIGINS - 1, targets=("revenue",))
    few = compare_errors(other_recipe(old, 0.5), old, "revenue", ("1-12",))["1-12"]
    assert few.difference < -0.4
    assert math.isnan(few.lower)
    assert not few.is_better


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    origins=st.integers(FEWEST_ORIGINS, 40),
    studios=st.integers(1, 12),
    unit=st.floats(1e-3, 1e6),
)
def test_currency_and_names_play_no_part_and_swapping_turns_the_sign(seed, origins, studios, unit) -> None:
    random = np.random.default_rng(seed)
    origin, studio = (codes.ravel() for codes in np.indices((origins, studios)))
    new, old = random.uniform(0.1, 2.0, (2, origins * studios))
    one = error_difference(new, old, origin, studio)
    other = error_difference(unit * new, unit * old, origin, studios - 1 - studio)
    ends, others = ((e.difference, e.lower, e.upper) for e in (one, other))
    assert ends == pytest.approx(others)
    assert one.lower <= one.difference <= one.upper
    swapped = error_difference(old, new, origin, studio)
    assert (1 + one.difference) * (1 + swapped.difference) == pytest.approx(1)
    same = error_difference(old, old, origin, studio)
    assert (same.difference, same.is_better, same.is_worse) == (0.0, False, False)
