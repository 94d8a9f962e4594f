"""Texts: every number in them is a fact, however it is written; those of the templates always are."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio_pipeline.errors import UnknownStudioError
from studio_pipeline.forecasting.base.queries import ForwardQuery, LeverStep
from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline.planning.insights.facts import Facts, studio_facts
from studio_pipeline.planning.insights.narrative import recommendation_text, template_summary, unknown_numbers
from studio_pipeline_tests.forecasting.fleets import answered, small_fleet

FACTS = {
    "revenue": 12_345.64,
    "change": -2_000.4,
    "growth": 0.0528,
    "members": 252.0,
    "projection_months": 3,
    "months": {"base_month": "2024-12", "month": "2025-03"},
    "drivers": [{"name": "price", "amount": 1_234.0, "share": 0.3341}, {"name": "mix", "amount": 12.0}],
    "levers": [{"lever": "retention_rate", "current": 0.93, "proposed": 0.94}],
    "chain": 1_200_000.0,
    "flag": True,
}


@pytest.mark.parametrize(
    "text",
    [
        "Revenue will be 12,345.64, or 12,345.6, or 12346, or $12,346, or €12.3k, or 12 thousand.",
        "It grows by 5.3 %, that is 5 percent, 5.28% or 0.053.",
        "It changes by -2,000.4, by \u22122,000 or by -$2,000; it loses 2,000.",
        "In 2025-03, that is 2025-03-01 or March 2025, after December 2024; all of 2025 counts.",
        "Over 3 months, three months or a quarter, price brings a third.",
        "A dozen, or twelve, comes from mix; the chain takes 1.2 million, 1.2m or 1.2e6.",
        "Members: \uff12\uff15\uff12 or \u0662\u0665\u0662, between 252\u2013252.",
        "Retention goes from 93 % to 94.0 per cent, from 0.93 on.",
        "Two hundred and fifty-two members.",
        "Nothing to count here, first of all, second to none; it may go up.",
        "",
    ],
)
def test_numbers_that_are_facts_are_known(text: str) -> None:
    assert unknown_numbers(text, FACTS) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It will be 12,346.6.", ["12,346.6"]),
        ("It will be 12,300.", ["12,300"]),
        ("It grows by 5.4 %.", ["5.4 %"]),
        ("It grows by 252 %.", ["252 %"]),
        ("It changes by 2,000 and by +2,000.", ["+2,000"]),
        ("It loses \u22121,234.", ["-1,234"]),
        ("In 2025-04 and in April 2025.", ["2025-04", "April 2025"]),
        ("Since 2023.", ["2023"]),
        ("Over seven months.", ["seven"]),
        ("It doubles, it is twice as much.", ["doubles", "twice"]),
        ("Half of it, two thirds of it.", ["Half", "two thirds"]),
        ("Revenue of 13k, $2m, 2bn.", ["13k", "$2m", "2bn"]),
        ("Hundreds of members, thousands more.", ["Hundreds", "thousands"]),
        ("Twenty-five or two hundred members.", ["Twenty-five", "two hundred"]),
        ("Up by ½, to 10², from Ⅳ to ④ and 三.", ["½", "²", "Ⅳ", "④", "三"]),
        ("\u0661\u0662\u0663 members.", ["123"]),
        ("12.345,6 or 1 234.", ["12.345", "6", "1"]),
        ("A 7-month plan, Q4, x9, 1st.", ["7", "4", "9", "1"]),
        ("One of them.", ["One"]),
        ("1 or 0 of them.", ["1", "0"]),
        ("Tenfold.", ["Tenfold"]),
        ("five percent, 7 points", ["7 points"]),
    ],
)
def test_numbers_that_are_none_are_found(text: str, found: list[str]) -> None:
    unknown = unknown_numbers(text, FACTS)
    for number in found:
        assert number.lower() in [one.lower() for one in unknown], unknown


def test_a_studio_s_name_may_have_digits_and_lets_no_others_through() -> None:
    assert unknown_numbers("Studio north-77 grows by 5.3 %.", FACTS, ["north-77"]) == []
    assert unknown_numbers("Studio north-77 grows.", FACTS) == ["77"]
    assert unknown_numbers("Studio 50 has 50 members.", FACTS, ["50"]) == ["50"]
    assert unknown_numbers("studio 50 has 500 members, studio 501 too", FACTS, ["50"]) == ["500", "501"]


@given(value=st.floats(-1e7, 1e7), digits=st.integers(0, 3), off=st.integers(2, 9))
def test_a_number_is_known_by_the_digits_shown_and_not_two_of_the_last_digit_off(
    value: float, digits: int, off: int
) -> None:
    shown = f"{value:,.{digits}f}"
    assert unknown_numbers(f"It is {shown}.", {"revenue": value}) == []
    wrong = f"{value + (off if value >= 0 else -off) * 10.0**-digits:,.{digits}f}"
    assert unknown_numbers(f"It is {wrong}.", {"revenue": value}) != []


@given(text=st.text(max_size=60))
@settings(max_examples=300)
def test_any_text_at_all_can_be_read_and_no_digit_gets_by(text: str) -> None:
    unknown = unknown_numbers(text, {})
    has_digits = any(sign.isnumeric() for sign in text)
    assert bool(unknown) or not has_digits


@pytest.fixture(scope="module")
def forecaster() -> Forecaster:
    return Forecaster(small_fleet().model_of_all, small_fleet().panel)


def facts_of(forecaster: Forecaster, query: ForwardQuery) -> Facts:
    return studio_facts(forecaster, query).facts


@given(
    row=st.sampled_from([0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12]),
    ago=st.integers(0, 3),
    months=st.integers(1, 12),
    levers=st.fixed_dictionaries(
        {}, optional={"avg_ticket_price": st.floats(100, 170), "upsell_rate": st.floats(0.1, 0.3)}
    ),
    level=st.sampled_from([0.5, 0.9, 0.95, 0.995]),
)
@settings(max_examples=40, deadline=None)
def test_every_number_of_the_templates_is_a_fact(
    forecaster: Forecaster, row: int, ago: int, months: int, levers: dict[str, float], level: float
) -> None:
    panel = forecaster.panel
    name = str(panel.studio_ids[row])
    month = panel.months[panel.last_months[row] - ago]
    levers = {} if row == 5 else levers
    facts = facts_of(forecaster, ForwardQuery(name, month, months, levers, interval_levels=(level,)))
    texts = [template_summary(facts, name), *(recommendation_text(s, facts) for s in facts.recommendations)]
    for text in texts:
        assert unknown_numbers(text, facts.as_dict(), [name]) == [], text
        assert unknown_numbers(f"{text} And 987,654,321.", facts.as_dict(), [name]) != []


def test_a_studio_of_revenue_alone_has_facts_and_a_text(forecaster: Forecaster) -> None:
    name = str(forecaster.panel.studio_ids[6])
    facts = facts_of(forecaster, ForwardQuery(name))
    assert facts.recommendations == ()
    assert (facts.members_then, facts.members, facts.joined) == (None, None, None)
    text = template_summary(facts, name)
    assert "nothing stands out" in text
    assert unknown_numbers(text, facts.as_dict(), [name]) == []


def test_facts_are_the_forecast_s_and_its_levers(forecaster: Forecaster) -> None:
    name = str(forecaster.panel.studio_ids[8])
    plan = (LeverStep(3, {"upsell_rate": 0.25}),)
    query = ForwardQuery(name, None, 6, {"avg_ticket_price": 140.0}, plan, compare_to_status_quo=True)
    (answer,) = answered(forecaster, [query])
    insight = studio_facts(forecaster, replace(query, compare_to_status_quo=False))
    facts = insight.facts
    assert answer.status_quo is not None
    assert (facts.revenue, facts.total_revenue) == (answer.revenue[-1], answer.total_revenue)
    assert facts.gain_of_levers == answer.status_quo.difference
    assert facts.gain_interval == answer.status_quo.difference_interval
    assert facts.interval == tuple(answer.intervals[0.9][-1])
    assert [(lever.lever, lever.from_month) for lever in facts.levers] == [
        ("avg_ticket_price", 1),
        ("upsell_rate", 3),
    ]
    assert insight.warnings[: len(answer.warnings)] == answer.warnings
    assert sum(driver.amount for driver in facts.drivers) == pytest.approx(facts.change)
    assert "upsell_rate" not in [step.lever for step in facts.recommendations]
    proposed = {step.lever: step.current for step in facts.recommendations}
    assert proposed.get("avg_ticket_price", 140.0) == 140.0
    text = template_summary(facts, name)
    assert "levers of this scenario" in text
    assert unknown_numbers(text, facts.as_dict(), [name]) == []


def test_a_recommended_step_gains_what_two_forecasts_differ_by(forecaster: Forecaster) -> None:
    name = str(forecaster.panel.studio_ids[8])
    facts = facts_of(forecaster, ForwardQuery(name, None, 6))
    assert len(facts.recommendations) >= 4
    gains = [step.gain for step in facts.recommendations]
    assert gains == sorted(gains, reverse=True)
    for step in facts.recommendations:
        queries = [ForwardQuery(name, None, 6, {step.lever: v}) for v in (step.current, step.proposed)]
        held, stepped = answered(forecaster, queries)
        assert step.gain == pytest.approx(stepped.total_revenue - held.total_revenue)
        assert step.clears_zero == (step.gain_interval[0] > 0)
        low, high = step.gain_interval
        assert low <= step.gain <= high
        assert 0 <= step.chance_of_gain <= 1


def test_a_studio_without_history_has_nothing_to_explain(forecaster: Forecaster) -> None:
    with pytest.raises(UnknownStudioError, match="nobody"):
        studio_facts(forecaster, ForwardQuery("nobody"))
