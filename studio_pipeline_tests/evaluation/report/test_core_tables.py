"""What the core has learned, in people's units: factors, points, impacts, error bars, verdicts on signs."""

import math

import numpy as np
import pytest

from studio_pipeline.evaluation.report.response_tables import (
    RESPONSE_COLUMNS,
    SEASON_COLUMNS,
    lever_responses,
    points_about,
    responses_in_words,
    seasonal_factors,
    sign_rule,
)
from studio_pipeline.evaluation.report.tables import responses_table
from studio_pipeline.forecasting.base.queries import LeverEffect
from studio_pipeline.forecasting.responses.responses import OwnResponses, Responses
from studio_pipeline_tests.forecasting.fleets import Fitted

RESPONSES = Responses(
    {
        "retention": {
            "price": LeverEffect(-1.2, 0.3, others_share=0.9),
            "overwork": LeverEffect(-1.9, 1.2, estimate=0.5),
            "fullness": LeverEffect(0.5, 0.1, others_share=0.6),
        },
        "acquisition": {"price": LeverEffect(-0.8, 0.2, others_share=0.7)},
        "utilization": {"classes": LeverEffect(0.4, 0.1)},
    },
    own={"retention": {"price": OwnResponses(("a", "b", "c"), (0.1, 0.2, 0.1), (0.8, 0.7, 0.8))}},
)


def test_factors_are_the_core_s_seasons_on_natural_scales(fleet: Fitted) -> None:
    table = seasonal_factors(fleet.core.parameters, fleet.panel)
    assert list(table) == list(SEASON_COLUMNS)
    assert set(table["studio_type"]) == set(fleet.panel.studio_types)
    row = fleet.core.parameters.types_of(["Dance"])[0]
    dance = table[table["studio_type"] == "Dance"].set_index(["flow", "calendar_month"])["factor"]
    for flow in ("acquisition", "ticket", "visits", "revenue"):
        season = fleet.core.parameters.flows[flow].season[row]
        np.testing.assert_allclose(dance[flow], np.exp(season))
        assert dance[flow].std() > 0
    assert set(table.loc[table["unit"] == "points", "flow"]) == {"retention"}
    retention = fleet.panel.values["retention_rate"][fleet.panel.studio_types == "Dance"]
    typical = float(np.nanmedian(retention))
    odds = np.exp(fleet.core.parameters.flows["retention"].season[row]) * typical / (1 - typical)
    np.testing.assert_allclose(dance["retention"], 100 * (odds / (1 + odds) - typical), atol=1e-9)


def test_impacts_and_error_bars_are_those_of_the_slopes(fleet: Fitted) -> None:
    table = lever_responses(RESPONSES, fleet.panel)
    assert list(table) == list(RESPONSE_COLUMNS)
    assert table["impact"].between(table["impact_low"], table["impact_high"], inclusive="neither").all()
    price = table[(table["flow"] == "acquisition") & (table["responds_to"] == "price")].iloc[0]
    assert price["change"] == "price +10 %"
    for name, slope in (
        ("impact", -0.8),
        ("impact_low", -0.8 - 1.645 * 0.2),
        ("impact_high", -0.8 + 1.645 * 0.2),
    ):
        assert price[name] == pytest.approx(100 * (1.1**slope - 1), abs=1e-3)
    typical = float(np.nanmedian(fleet.panel.values["retention_rate"]))
    retention = table[(table["flow"] == "retention") & (table["responds_to"] == "price")].iloc[0]
    assert retention["impact"] == pytest.approx(points_about(typical, np.array([-1.2 * math.log(1.1)]))[0])
    assert retention["impact_low"] < retention["impact"] < retention["impact_high"] < 0


def test_what_a_response_rests_on(fleet: Fitted) -> None:
    table = lever_responses(RESPONSES, fleet.panel).set_index(["flow", "responds_to"])
    assert table["prior_share"].tolist() == pytest.approx([0.1, 1.0, 0.4, 0.3, 1.0])
    assert table["own_studios"].tolist() == [3, 0, 0, 0, 0]
    assert table.loc[("retention", "overwork"), "estimate"] == 0.5
    drawn = responses_table(table.reset_index())
    rows = {(row[0], row[1]): dict(zip(drawn.headings, row, strict=True)) for row in drawn.rows}
    assert rows["retention", "price +10 %"]["prior"] == "10 %"
    assert rows["utilization", "classes +10 %"]["prior"] == "100 %"


def test_verdicts_on_signs() -> None:
    assert sign_rule("price", LeverEffect(-0.5, 0.1)) == "negative, as it must be"
    assert sign_rule("price", LeverEffect(0.5, 0.1)) == "positive, against the rule"
    assert sign_rule("fullness", LeverEffect(0.5, 0.1)) == "positive, as it must be"
    assert sign_rule("fullness", LeverEffect(-0.5, 0.1)) == "negative, against the rule"
    assert sign_rule("price", LeverEffect(-0.5, 0.1).taken_as_none()).startswith("none: members don't follow")


def test_words_on_responses(fleet: Fitted) -> None:
    table = lever_responses(RESPONSES, fleet.panel)
    sentences = responses_in_words(table)
    assert len(sentences) == len(table)
    assert sentences[0].startswith("Price +10 %: retention -")
    assert sentences[0].endswith("; 10 % of it prior).")
    assert sentences[3].startswith("Price +10 %: new members -7.3")
    assert "no response" in responses_in_words(table.iloc[:0])[0]
