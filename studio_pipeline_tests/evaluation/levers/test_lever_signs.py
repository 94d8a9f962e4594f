"""Levers that work the wrong way are found, and only these."""

import pandas as pd

from studio_pipeline.evaluation.levers.lever_text import WINNING_LEVERS, sign_findings
from studio_pipeline.evaluation.metrics.schemas import SWEEP
from studio_pipeline.evaluation.report.response_tables import RESPONSE_COLUMNS, lever_responses, sign_rule
from studio_pipeline.forecasting.base.queries import LeverEffect
from studio_pipeline_tests.forecasting.fleets import small_fleet

NO_RESPONSES = pd.DataFrame(columns=list(RESPONSE_COLUMNS)).astype({"sign_rule": str})


def sweep(lever: str, *revenue: float) -> pd.DataFrame:
    rows = [
        ("s1", lever, float(at), at == 1, 0.0, 2.0, value, 0.0, 0.0, 1000.0)
        for at, value in enumerate(revenue)
    ]
    return pd.DataFrame(rows, columns=list(SWEEP.columns))


def test_a_lever_that_can_only_win_must_not_lose() -> None:
    for lever in WINNING_LEVERS:
        assert sign_findings(NO_RESPONSES, sweep(lever, 900, 1000, 1100), 0.01) == ()
        assert sign_findings(NO_RESPONSES, sweep(lever, 1000, 999, 995), 0.01) == ()
        (finding,) = sign_findings(NO_RESPONSES, sweep(lever, 1000, 990, 980), 0.01)
        assert "would cost 2.0 % of a year's revenue" in finding


def test_levers_that_may_go_either_way_and_values_beyond_what_was_shown_are_no_findings() -> None:
    assert sign_findings(NO_RESPONSES, sweep("avg_ticket_price", 1000, 900, 800), 0.01) == ()
    assert sign_findings(NO_RESPONSES, sweep("retention_rate", 900, 1000, 1100, 10), 0.01) == ()
    assert sign_findings(NO_RESPONSES, sweep("retention_rate", 900).iloc[:0], 0.01) == ()


def test_a_response_against_its_rule_is_a_finding() -> None:
    wrong = LeverEffect(0.4, 0.1)
    rule = sign_rule("price", wrong)
    table = pd.DataFrame([{"flow": "retention", "responds_to": "price", "sign_rule": rule}])
    assert sign_findings(table, sweep("retention_rate", 1, 2), 0.01) == (
        "the response of retention to price is positive, against the rule",
    )


def test_a_fitted_fleet_has_no_findings() -> None:
    fleet = small_fleet()
    responses = lever_responses(fleet.core.parameters.responses, fleet.panel)
    assert len(responses) > 0
    assert sign_findings(responses, sweep("retention_rate", 1, 2), 0.01) == ()
