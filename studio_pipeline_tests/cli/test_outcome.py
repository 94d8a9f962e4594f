"""What is printed at the end of a run: figures, what a check found, and why a model was refused."""

import pytest

from studio_pipeline.cli.outcome import (
    FAILED,
    REFUSED,
    SHOWN_LINES,
    SPANS,
    Outcome,
    finding,
    print_evaluation,
    print_outcome,
    refusal,
)
from studio_pipeline.evaluation.metrics.prediction_table import BASELINES, LABELS
from studio_pipeline.settings import Settings


def test_candidates_are_called_as_everywhere_in_aligned_columns_with_what_is_known(
    capsys: pytest.CaptureFixture[str],
) -> None:
    summary = {f"revenue_wape_{span}_{name}": 0.5 for span in SPANS for name in ("ensemble", *BASELINES)}
    print_evaluation(summary | {f"revenue_coverage_90_{span}": 0.9 for span in SPANS})
    _, _, header, *rows = capsys.readouterr().out.splitlines()
    assert {len(row) for row in rows} == {len(header)}
    assert [row[2:30].rstrip() for row in rows[1:-1]] == [LABELS[name] for name in BASELINES]
    assert all(row[30:].split() == ["50.0%"] * 4 for row in rows[:-1])
    print_evaluation({"revenue_wape_1_persistence": 0.5})
    assert capsys.readouterr().out.splitlines()[-1].split() == ["persistence", "50.0%", "-", "-", "-"]


def test_a_backtest_that_says_nothing_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    print_evaluation({"n_forecasts": 0.0, "n_missing": 0.0})
    assert capsys.readouterr().out.strip().splitlines() == [
        "The months are too few for a backtest: how good this model is can't be said yet."
    ]


@pytest.mark.parametrize(("status", "heading"), [(REFUSED, "The new model"), (FAILED, "The run failed.")])
def test_problems_of_several_lines_are_indented(capsys, status, heading) -> None:
    outcome = Outcome("r", status, refusal="The new model is refused.", problems=["a:\n  - x\n  - y"])
    print_outcome(Settings(), outcome)
    first, *rest = capsys.readouterr().err.strip().splitlines()
    assert first.startswith(heading)
    assert rest == ["  a:", "    - x", "    - y"]


def test_levers_known_totals_and_effects_are_shown_where_they_are_known(capsys) -> None:
    summary = {f"revenue_wape_{span}_{name}": 0.05 for span in SPANS for name in ("ensemble", "levers_known")}
    summary |= {f"revenue_coverage_total_{span}": 0.88 for span in SPANS}
    print_evaluation(summary | {"effects_partial": 0.384, "signs_partial": 0.9})
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split() == ["this", "model,", "levers", "known", *["5.0%"] * 4] for line in lines)
    assert any(line.split() == ["the", "same", "of", "the", "total", *["88.0%"] * 4] for line in lines)
    assert lines[-1].startswith("Effect of one lever on revenue, beside the generator's truth: off by 38%")
    assert lines[-1].endswith("sign right in 90%")


@pytest.mark.parametrize(("weight", "said"), [(0.0, 1), (0.2, 0), (None, 0)])
def test_learners_that_count_nowhere_are_one_line(capsys, weight, said) -> None:
    known = {} if weight is None else {"greatest_learner_weight": weight}
    print_evaluation({"revenue_wape_1_ensemble": 0.05} | known)
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("None of the learners (XGBoost, LightGBM") for line in lines) == said


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ("- too wide", "a: too wide"),
        (None, "a: failed"),
        ("", "a: failed"),
        ("2024-01: 3 of 4\n2024-02: 4 of 4", "a:\n  - 2024-01: 3 of 4\n  - 2024-02: 4 of 4"),
        ("- x\n- y", "a:\n  - x\n  - y"),
        ("x\n" * (SHOWN_LINES + 2), "a:\n" + "  - x\n" * SHOWN_LINES + "  - ... and 2 more"),
    ],
)
def test_one_finding_stands_on_its_line_and_several_are_a_list(found: str | None, said: str) -> None:
    assert finding("a", found) == said


REFUSED_REFRESH = {
    "decision_kind": "refresh_refused", "answers": "champion", "findings": "too wide; too low",
    "model_version": "1", "challenger_model_version": "", "release": 2, "published": True,
}  # fmt: skip
CHALLENGE = {"decision_kind": "challenge_refused", "challenger_model_version": "3"}


KEPT = " Model 3 is kept as its challenger."


@pytest.mark.parametrize(
    ("change", "what", "stays"),
    [
        ({}, "The new model", "Model 1 goes on, now with the new months (release 2)."),
        (
            {"published": False},
            "The new model",
            "Model 1 goes on, with the same months as before (release 2).",
        ),
        (CHALLENGE, "The changed recipe", f"Model 1 goes on, now with the new months (release 2).{KEPT}"),
        (
            CHALLENGE | {"answers": "refit", "model_version": "2"},
            "The changed recipe",
            f"The recipe of before goes on, as model 2, now with the new months (release 2).{KEPT}",
        ),
    ],
)
def test_a_refusal_says_what_goes_on(change: dict[str, object], what: str, stays: str) -> None:
    assert refusal(REFUSED_REFRESH | change) == f"{what} is refused: too wide; too low. {stays}"
