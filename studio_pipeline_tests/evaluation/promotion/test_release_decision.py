"""What becomes of a new model: every case of the module's table, as facts in and a decision out."""

import math
from dataclasses import replace

import pytest

from studio_pipeline.evaluation.metrics.paired_errors import ErrorDifference
from studio_pipeline.evaluation.promotion.guard_rails import PromotionConfig
from studio_pipeline.evaluation.promotion.release_decision import (
    Answering,
    Champion,
    Fitted,
    Kind,
    ReleaseDecision,
    decide,
)
from studio_pipeline_tests.evaluation.promotion.test_guard_rails import summary_of


def difference(value: float, half: float = 0.02) -> ErrorDifference:
    return ErrorDifference(
        0.05 * (1 + value), 0.05, value, value - half, value + half, 1.3 * half, 9_000, 24, 300
    )


def differences(over_year: float, over_quarter: float = 0.0) -> dict[str, ErrorDifference]:
    return {"1-3": difference(over_quarter), "1-12": difference(over_year)}


FEW = ErrorDifference(0.04, 0.05, -0.2, math.nan, math.nan, math.nan, 200, 4, 50)
GOOD, BAD = summary_of(), summary_of(coverage=0.7)
SAME, OTHER = Fitted("same", GOOD), Fitted("other", GOOD)
STALE = Champion("7", "same")
TODAYS = replace(STALE, is_todays=True, release_is_todays=True)
REFIT = replace(STALE, refit=Fitted("same", GOOD))
GONE_STALE = replace(STALE, refit_obstacle="it was fitted by code version 0")
Case = tuple[str, Fitted, Champion | None, dict[str, ErrorDifference], Kind, Answering, bool, str]
TABLE: list[Case] = [
    ("first model", SAME, None, {}, "first", "new", False, "Published as the first model: over months 1-12"),
    ("first, unfit", replace(SAME, summary=BAD), None, {}, "first", "new", False, "first model, although"),
    (
        "champion gone",
        SAME,
        replace(STALE, fault="models/7 is missing"),
        {},
        "first",
        "new",
        False,
        "in the place of model 7, as models/7 is missing",
    ),
    (
        "champion gone, unfit",
        replace(SAME, summary=BAD),
        replace(STALE, fault="it broke"),
        {},
        "first",
        "new",
        False,
        "as it broke, although over months 1-3 its 90 % intervals hold 70.0 %",
    ),
    (
        "nothing new",
        SAME,
        TODAYS,
        differences(0.5),
        "nothing_new",
        "champion",
        False,
        "recipe and months are those",
    ),
    (
        "refused before on these months",
        SAME,
        replace(TODAYS, is_todays=False),
        differences(0.5, 0.5),
        "refresh_refused",
        "champion",
        False,
        "errs 50.0 % more than the model before",
    ),
    (
        "rolled back",
        SAME,
        replace(STALE, is_rolled_back=True, release_is_todays=True),
        differences(-0.5),
        "nothing_new",
        "champion",
        False,
        "a rollback, which holds until there are new months",
    ),
    (
        "rolled back, recipe changed",
        OTHER,
        replace(REFIT, is_rolled_back=True, release_is_todays=True),
        differences(-0.5),
        "nothing_new",
        "champion",
        False,
        "rollback",
    ),
    (
        "rolled back, then new months",
        SAME,
        replace(STALE, is_rolled_back=True),
        differences(0.0),
        "refresh_published",
        "new",
        False,
        "Published",
    ),
    (
        "refresh",
        SAME,
        STALE,
        differences(0.0),
        "refresh_published",
        "new",
        False,
        "0.0 % more than model 7 (95 %",
    ),
    (
        "refresh, nothing kept",
        SAME,
        STALE,
        {},
        "refresh_published",
        "new",
        False,
        "no backtest that it shares",
    ),
    (
        "refresh, few origins",
        SAME,
        STALE,
        {"1-3": FEW, "1-12": FEW},
        "refresh_published",
        "new",
        False,
        "too few",
    ),
    (
        "month corrected",
        SAME,
        replace(STALE, release_is_todays=False),
        differences(0.01),
        "refresh_published",
        "new",
        False,
        "errs 1.0 % more",
    ),
    (
        "refresh a little worse, surely",
        SAME,
        STALE,
        {"1-12": difference(0.015, 0.001)},
        "refresh_published",
        "new",
        False,
        "errs 1.5 % more",
    ),
    (
        "refresh worse within noise",
        SAME,
        STALE,
        {"1-12": difference(0.04, 0.05)},
        "refresh_published",
        "new",
        False,
        "errs 4.0 % more",
    ),
    (
        "refresh worse beyond noise",
        SAME,
        STALE,
        differences(0.04),
        "refresh_refused",
        "champion",
        False,
        "it errs 4.0 % more than the model before, on the same forecasts. Model 7 goes on.",
    ),
    (
        "refresh worse in one span",
        SAME,
        STALE,
        differences(0.0, 0.04),
        "refresh_refused",
        "champion",
        False,
        "over months 1-3",
    ),
    (
        "refresh, intervals fail",
        replace(SAME, summary=BAD),
        STALE,
        differences(-0.5),
        "refresh_refused",
        "champion",
        False,
        "intervals hold 70.0 %",
    ),
    (
        "refresh, lever against economics",
        replace(SAME, lever_findings=("more upsell costs",)),
        STALE,
        differences(-0.5),
        "refresh_refused",
        "champion",
        False,
        "more upsell costs",
    ),
    (
        "data shrunk",
        SAME,
        replace(STALE, shrunk="60 studios are gone"),
        differences(0.0),
        "refresh_refused",
        "champion",
        False,
        "Refused: 60 studios are gone",
    ),
    (
        "challenge won",
        OTHER,
        REFIT,
        differences(-0.10),
        "challenge_promoted",
        "new",
        False,
        "less than the recipe of model 7, fitted to the same months (95 % interval -12.0 % to -8.0 %",
    ),
    (
        "challenge equal",
        OTHER,
        REFIT,
        differences(0.0),
        "challenge_refused",
        "refit",
        True,
        "2.6 % would be detected in 80 of 100 cases). Its recipe goes on, fitted to the new months",
    ),
    (
        "challenge lost",
        OTHER,
        REFIT,
        differences(0.05),
        "challenge_refused",
        "refit",
        True,
        "errs 5.0 % more",
    ),
    (
        "challenge better within noise",
        OTHER,
        REFIT,
        differences(-0.019),
        "challenge_refused",
        "refit",
        True,
        "1.9 %",
    ),
    (
        "challenge better far ahead, worse near",
        OTHER,
        REFIT,
        differences(-0.1, 0.05),
        "challenge_refused",
        "refit",
        True,
        "over months 1-3 it errs 5.0 % more",
    ),
    (
        "challenge, few origins",
        OTHER,
        REFIT,
        {"1-12": FEW},
        "challenge_refused",
        "refit",
        True,
        "4 shared origins are too few",
    ),
    ("challenge, nothing shared", OTHER, REFIT, {}, "challenge_refused", "refit", True, "no backtest"),
    (
        "challenger's rails fail",
        replace(OTHER, summary=BAD),
        REFIT,
        differences(-0.1),
        "challenge_refused",
        "refit",
        False,
        "intervals hold 70.0 %",
    ),
    (
        "challenge, data shrunk",
        OTHER,
        replace(REFIT, shrunk="60 studios are gone"),
        differences(-0.1),
        "challenge_refused",
        "champion",
        False,
        "60 studios are gone",
    ),
    (
        "challenge lost, refit unfit",
        OTHER,
        replace(STALE, refit=Fitted("same", BAD)),
        differences(0.0),
        "challenge_refused",
        "champion",
        True,
        "Model 7 goes on as it is: its recipe on the new months is refused",
    ),
    (
        "challenge on the same months",
        OTHER,
        replace(TODAYS, refit=Fitted("same", GOOD)),
        differences(0.0),
        "challenge_refused",
        "champion",
        True,
        "Model 7 goes on.",
    ),
    (
        "challenger judged before",
        OTHER,
        replace(TODAYS, challenger_recipe="other"),
        differences(-0.5),
        "nothing_new",
        "champion",
        False,
        "judged this challenger already",
    ),
    (
        "challenger of the last months",
        OTHER,
        replace(REFIT, challenger_recipe="other"),
        differences(-0.1),
        "challenge_promoted",
        "new",
        False,
        "Promoted",
    ),
    (
        "no refit, kept rows, equal",
        OTHER,
        GONE_STALE,
        differences(0.0),
        "challenge_promoted",
        "new",
        False,
        "model 7, whose recipe can't be fitted again (it was fitted by code version 0)",
    ),
    (
        "no refit, kept rows, worse",
        OTHER,
        GONE_STALE,
        differences(0.04),
        "challenge_refused",
        "champion",
        True,
        "Model 7 goes on as it is",
    ),
    (
        "no refit, nothing kept",
        OTHER,
        replace(GONE_STALE, recipe=None),
        {},
        "challenge_promoted",
        "new",
        False,
        "no backtest that it shares forecasts with of model 7",
    ),
    (
        "no refit, nothing kept, unfit",
        replace(OTHER, summary=BAD),
        replace(GONE_STALE, recipe=None),
        {},
        "challenge_refused",
        "champion",
        False,
        "intervals hold 70.0 %",
    ),
]


@pytest.mark.parametrize("case", TABLE, ids=[case[0] for case in TABLE])
def test_table(case: Case) -> None:
    _, new, champion, found, kind, answers, kept, words = case
    decision = decide(new, champion, found)
    assert (decision.kind, decision.answers, decision.keeps_challenger) == (kind, answers, kept)
    assert words in decision.reason
    assert decision.reason.endswith(".")
    assert ".." not in decision.reason
    assert "nan" not in decision.reason.replace("seasonal naive", "")
    assert decision.promoted == (answers == "new")
    if kind.endswith("refused"):
        assert decision.findings
    elif kind != "first":
        assert not decision.findings


def test_rules_set_what_counts() -> None:
    strict = PromotionConfig(refresh_tolerance=0.0)
    surely = {"1-12": difference(0.015, 0.001)}
    assert decide(SAME, STALE, surely).kind == "refresh_published"
    assert decide(SAME, STALE, surely, strict).kind == "refresh_refused"
    near = PromotionConfig(spans=("1-3",))
    assert decide(OTHER, REFIT, differences(0.0, -0.1), near).kind == "challenge_promoted"


def test_an_unfit_model_never_replaces_a_sound_champion() -> None:
    for over_year in (-0.9, -0.1, 0.0, 0.1):
        for recipe in ("same", "other"):
            for champion in (STALE, REFIT, GONE_STALE):
                decision: ReleaseDecision = decide(Fitted(recipe, BAD), champion, differences(over_year))
                assert not decision.promoted
                assert not decision.keeps_challenger
