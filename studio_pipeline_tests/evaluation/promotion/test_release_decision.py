"""What becomes of a new model: every case of the module's table, as facts in and a decision out."""

import math
from dataclasses import replace

import pytest

from studio_pipeline.evaluation.metrics.paired_errors import ErrorDifference
from studio_pipeline.evaluation.promotion.guard_rails import PromotionConfig
from studio_pipeline.evaluation.promotion.release_decision import Answering, Champion, Fitted, Kind, decide
from studio_pipeline_tests.evaluation.promotion.test_guard_rails import summary_of


def difference(value: float, half: float = 0.02) -> ErrorDifference:
    return ErrorDifference(value, value - half, value + half, 1.3 * half, 24, 300)


def differences(over_year: float, over_quarter: float = 0.0) -> dict[str, ErrorDifference]:
    return {"1-3": difference(over_quarter), "1-12": difference(over_year)}


FEW = ErrorDifference(-0.2, math.nan, math.nan, math.nan, 4, 50)
GOOD, BAD = summary_of(), summary_of(coverage=0.7)
SAME, OTHER = Fitted("same", GOOD), Fitted("other", GOOD)
UNFIT, OTHER_UNFIT = replace(SAME, summary=BAD), replace(OTHER, summary=BAD)
AGAINST = replace(SAME, lever_findings=("more upsell costs",))
STALE = Champion("7", "same")
TODAYS = replace(STALE, is_todays=True, release_is_todays=True)
REFIT = replace(STALE, refit=Fitted("same", GOOD))
GONE_STALE = replace(STALE, refit_obstacle="it was fitted by code version 0")
NO_RECIPE = replace(GONE_STALE, recipe=None)
ROLLED_BACK = {"is_rolled_back": True, "release_is_todays": True}
GONE = {"shrunk": "60 studios are gone"}
REFUSED = "intervals hold 70.0 %"

Case = tuple[str, Fitted, Champion | None, dict[str, ErrorDifference], str]
TABLE: dict[tuple[Kind, Answering, bool], list[Case]] = {
    ("first", "new", False): [
        ("first model", SAME, None, {}, "Published as the first model: over months 1-12"),
        ("first, unfit", UNFIT, None, {}, "first model, although"),
        ("champion gone", SAME, replace(STALE, fault="it is gone"), {},
         "in the place of model 7, as it is gone"),
        ("gone, unfit", UNFIT, replace(STALE, fault="it broke"), {},
         f"broke, although over months 1-3 its 90 % {REFUSED}"),
    ],
    ("nothing_new", "champion", False): [
        ("nothing new", SAME, TODAYS, differences(0.5), "recipe and months are those"),
        ("rolled back", SAME, replace(STALE, **ROLLED_BACK), differences(-0.5),
         "which holds until there are new months"),
        ("rolled back, recipe changed", OTHER, replace(REFIT, **ROLLED_BACK), differences(-0.5), "rollback"),
        ("judged before", OTHER, replace(TODAYS, challenger_recipe="other"), differences(-0.5),
         "judged this challenger"),
    ],
    ("refresh_published", "new", False): [
        ("rolled back, then new months", SAME, replace(STALE, is_rolled_back=True), differences(0.0),
         "Published"),
        ("refresh", SAME, STALE, differences(0.0), "0.0 % more than model 7 (95 %"),
        ("refresh, nothing kept", SAME, STALE, {}, "no backtest that it shares"),
        ("refresh, few origins", SAME, STALE, {"1-3": FEW, "1-12": FEW}, "too few"),
        ("month corrected", SAME, replace(STALE, release_is_todays=False), differences(0.01),
         "errs 1.0 % more"),
        ("a little worse, surely", SAME, STALE, {"1-12": difference(0.015, 0.001)}, "errs 1.5 % more"),
        ("worse within noise", SAME, STALE, {"1-12": difference(0.04, 0.05)}, "errs 4.0 % more"),
    ],
    ("refresh_refused", "champion", False): [
        ("refused before", SAME, replace(TODAYS, is_todays=False), differences(0.5, 0.5),
         "50.0 % more than the model before"),
        ("worse beyond noise", SAME, STALE, differences(0.04),
         "it errs 4.0 % more than the model before, on the same forecasts. Model 7 goes on."),
        ("worse in one span", SAME, STALE, differences(0.0, 0.04), "over months 1-3"),
        ("intervals fail", UNFIT, STALE, differences(-0.5), REFUSED),
        ("lever against economics", AGAINST, STALE, differences(-0.5), "more upsell costs"),
        ("data shrunk", SAME, replace(STALE, **GONE), differences(0.0), "Refused: 60 studios are gone"),
    ],
    ("challenge_promoted", "new", False): [
        ("challenge won", OTHER, REFIT, differences(-0.10),
         "less than the recipe of model 7, fitted to the same months (95 % interval -12.0 % to -8.0 %"),
        ("of the last months", OTHER, replace(REFIT, challenger_recipe="other"), differences(-0.1),
         "Promoted"),
        ("no refit, kept rows, equal", OTHER, GONE_STALE, differences(0.0),
         "model 7, whose recipe can't be fitted again (it was fitted by code version 0)"),
        ("no refit, nothing kept", OTHER, NO_RECIPE, {},
         "no backtest that it shares forecasts with of model 7"),
    ],
    ("challenge_refused", "refit", True): [
        ("equal", OTHER, REFIT, differences(0.0),
         "2.6 % would be detected in 80 of 100 cases). Its recipe goes on, fitted to the new months"),
        ("lost", OTHER, REFIT, differences(0.05), "errs 5.0 % more"),
        ("better within noise", OTHER, REFIT, differences(-0.019), "1.9 %"),
        ("better far ahead, worse near", OTHER, REFIT, differences(-0.1, 0.05),
         "over months 1-3 it errs 5.0 % more"),
        ("few origins", OTHER, REFIT, {"1-12": FEW}, "4 shared origins are too few"),
        ("nothing shared", OTHER, REFIT, {}, "no backtest"),
    ],
    ("challenge_refused", "refit", False): [
        ("challenger's rails fail", OTHER_UNFIT, REFIT, differences(-0.1), REFUSED),
    ],
    ("challenge_refused", "champion", False): [
        ("challenge, data shrunk", OTHER, replace(REFIT, **GONE), differences(-0.1), "60 studios are gone"),
        ("no refit, nothing kept, unfit", OTHER_UNFIT, NO_RECIPE, {}, REFUSED),
    ],
    ("challenge_refused", "champion", True): [
        ("lost, refit unfit", OTHER, replace(STALE, refit=Fitted("same", BAD)), differences(0.0),
         "Model 7 goes on as it is: its recipe on the new months is refused"),
        ("on the same months", OTHER, replace(TODAYS, refit=Fitted("same", GOOD)), differences(0.0),
         "Model 7 goes on."),
        ("no refit, kept rows, worse", OTHER, GONE_STALE, differences(0.04), "Model 7 goes on as it is"),
    ],
}  # fmt: skip
CASES = [(outcome, case) for outcome, cases in TABLE.items() for case in cases]


@pytest.mark.parametrize(("outcome", "case"), CASES, ids=[f"{o[0]}: {case[0]}" for o, case in CASES])
def test_table(outcome: tuple[Kind, Answering, bool], case: Case) -> None:
    _, new, champion, found, words = case
    kind, answers, _ = outcome
    decision = decide(new, champion, found)
    assert (decision.kind, decision.answers, decision.keeps_challenger) == outcome
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
                decision = decide(Fitted(recipe, BAD), champion, differences(over_year))
                assert not decision.promoted
                assert not decision.keeps_challenger
