"""What a check found, and why a model was refused, in sentences."""

from studio_pipeline.cli.progress import SHOWN_LINES, finding, refusal


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


def test_a_refusal_says_what_goes_on() -> None:
    decision = {"findings": "too wide; too low", "model_version": "1", "release": 2, "published": True}
    assert refusal(decision) == (
        "The new model is refused: too wide; too low. Model 1 goes on, now with the new months (release 2)."
    )
    assert "with the same months as before (release 2)." in refusal(decision | {"published": False})
