"""What a check found, and why a model was refused, in sentences."""

from studio_pipeline.cli.outcome import SHOWN_LINES, finding, refusal


def test_one_finding_stands_on_its_line() -> None:
    assert finding("fit_to_publish of evaluation_report", "- too wide") == (
        "fit_to_publish of evaluation_report: too wide"
    )
    assert finding("no_gaps of months", None) == "no_gaps of months: failed"
    assert finding("no_gaps of months", "") == "no_gaps of months: failed"


def test_several_findings_are_a_list() -> None:
    assert finding("few_rows_rejected", "2024-01: 3 of 4\n2024-02: 4 of 4") == (
        "few_rows_rejected:\n  - 2024-01: 3 of 4\n  - 2024-02: 4 of 4"
    )
    assert finding("a", "- x\n- y") == "a:\n  - x\n  - y"


def test_a_long_list_is_cut_and_says_so() -> None:
    lines = finding("a", "\n".join(f"line {number}" for number in range(SHOWN_LINES + 2))).splitlines()
    assert lines[-1] == "  - ... and 2 more"
    assert len(lines) == SHOWN_LINES + 2


REFUSED = {
    "decision_kind": "refresh_refused",
    "answers": "champion",
    "findings": "too wide; too low",
    "model_version": "1",
    "challenger_model_version": "",
    "release": 2,
    "published": True,
}


def test_a_refusal_says_what_goes_on() -> None:
    assert refusal(REFUSED) == (
        "The new model is refused: too wide; too low. Model 1 goes on, now with the new months (release 2)."
    )
    assert "with the same months as before (release 2)." in refusal(REFUSED | {"published": False})


def test_a_refused_challenge_says_which_recipe_goes_on() -> None:
    challenge = REFUSED | {"decision_kind": "challenge_refused", "challenger_model_version": "3"}
    assert refusal(challenge | {"answers": "refit", "model_version": "2"}) == (
        "The changed recipe is refused: too wide; too low. The recipe of before goes on, as model 2, now with"
        " the new months (release 2). Model 3 is kept as its challenger."
    )
    assert "is refused: too wide; too low. Model 1 goes on, now" in refusal(challenge)
