"""What the core has learned, in people's units: factors, points, impacts, error bars, verdicts on signs."""

import math

import numpy as np
import pytest

from studio_pipeline.evaluation.formatting import DASH
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
from studio_pipeline_tests.forecasting.fleets import Fitted, small_fleet


@pytest.fixture(scope="module")
def fleet() -> Fitted:
    return small_fleet()


RESPONSES = Responses(
    {
        "retention": {
            "price": LeverEffect("data", -1.2, 0.3),
            "crowding": LeverEffect("prior", 0.0, 2.0),
            "overwork": LeverEffect("prior", 0.0, 0.4, 0.5),
            "fullness": LeverEffect("data", 0.0, 0.1),
        },
        "acquisition": {"price": LeverEffect("data", -0.8, 0.2)},
    },
    own={"retention": {"price": OwnResponses(("a", "b", "c")), "overwork": OwnResponses(("a",))}},
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


def test_points_are_counted_from_the_rate() -> None:
    assert points_about(0.5, np.array([0.0, math.log(3)])) == pytest.approx([0.0, 25.0])
    assert points_about(0.9, np.array([math.log(0.5)])) == pytest.approx([100 * (4.5 / 5.5 - 0.9)])


def test_impacts_and_error_bars_are_those_of_the_slopes(fleet: Fitted) -> None:
    table = lever_responses(RESPONSES, fleet.panel)
    assert list(table) == list(RESPONSE_COLUMNS)
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


def test_studios_are_counted_by_what_their_answer_rests_on(fleet: Fitted) -> None:
    table = lever_responses(RESPONSES, fleet.panel).set_index(["flow", "responds_to"])
    counts = table[["own_studios", "pooled_studios"]]
    assert counts.loc[("retention", "price")].tolist() == [3, fleet.panel.n_studios - 3]
    # What rests on a prior is nobody's own.
    assert counts.loc[("retention", "overwork")].tolist() == [0, 0]


def test_what_the_months_say_is_shown_though_it_is_not_used(fleet: Fitted) -> None:
    overwork = lever_responses(RESPONSES, fleet.panel).set_index("responds_to").loc["overwork"]
    assert overwork["impact_used"] == 0
    assert overwork["estimate"] == 0.5
    typical = float(np.nanmedian(fleet.panel.values["retention_rate"]))
    said = points_about(typical, 0.1 * (0.5 + 1.6449 * 0.4 * np.array([0.0, -1.0, 1.0])))
    shown = overwork[["impact", "impact_low", "impact_high"]].astype(float)
    np.testing.assert_allclose(shown, said, atol=1e-3)


def test_every_interval_holds_the_figure_beside_it(fleet: Fitted) -> None:
    table = lever_responses(RESPONSES, fleet.panel).set_index(["flow", "responds_to"])
    known = table[table["impact"].notna()]
    assert len(known) == 3
    assert known["impact"].between(known["impact_low"], known["impact_high"], inclusive="neither").all()
    used = known[known["effect"] != 0]
    assert (used["impact_used"] == used["impact"]).all()
    silent = table.loc[("retention", "crowding")]
    assert silent[["impact", "impact_low", "impact_high"]].isna().all()
    assert silent["impact_used"] == 0


def test_what_is_not_used_stands_apart_from_what_the_months_say(fleet: Fitted) -> None:
    drawn = responses_table(lever_responses(RESPONSES, fleet.panel))
    rows = {(row[0], row[1]): dict(zip(drawn.headings, row, strict=True)) for row in drawn.rows}
    overwork = rows["retention", "overwork +10 points"]
    assert overwork["used"] == "0"
    assert float(overwork["from"]) < float(overwork["impact"]) < float(overwork["up to"])
    crowding = rows["retention", "crowding +10 points"]
    assert [crowding[name] for name in ("impact", "from", "up to", "used")] == [DASH, DASH, DASH, "0"]
    price = rows["retention", "price +10 %"]
    assert price["used"] == price["impact"]


def test_verdicts_on_signs() -> None:
    assert sign_rule("price", LeverEffect("data", -0.5, 0.1)) == "negative, as it must be"
    assert sign_rule("price", LeverEffect("data", 0.5, 0.1)) == "positive, against the rule"
    assert sign_rule("fullness", LeverEffect("data", 0.5, 0.1)) == "positive, as it must be"
    assert sign_rule("fullness", LeverEffect("data", -0.5, 0.1)) == "negative, against the rule"
    assert sign_rule("price", LeverEffect("prior", 0.0, 2.0)) == "set to zero: the data show nothing"
    little = sign_rule("price", LeverEffect("prior", 0.0, 0.3, -0.1))
    assert little == "set to zero: the data show too little"
    assert sign_rule("price", LeverEffect("prior", 0.0, 0.3, 0.1)) == little
    wrong = sign_rule("price", LeverEffect("prior", 0.0, 0.1, 0.9))
    assert wrong == "set to zero: the data show a sign that can't be"
    assert sign_rule("fullness", LeverEffect("prior", 0.0, 0.1, -0.9)) == wrong
    assert sign_rule("fullness", LeverEffect("data", 0.0, 0.1)).startswith("set to zero: members were")


def test_words_on_responses(fleet: Fitted) -> None:
    table = lever_responses(RESPONSES, fleet.panel)
    first, second, last = responses_in_words(table)
    assert first.startswith("Price +10 %: retention -")
    assert second.startswith("Price +10 %: new members -7.3")
    assert "of retention to crowding (the data show nothing" in last
    assert "of retention to fullness (members were forecast better without it)" in last
    assert "no response" in responses_in_words(table.iloc[:0])[0]
